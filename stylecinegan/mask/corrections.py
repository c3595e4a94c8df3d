"""Corrections of a mask by hand."""

import torch
from torch import Tensor


def correct_mask(
    mask: Tensor, *, add: Tensor | None = None, remove: Tensor | None = None
) -> Tensor:
    """Adds painted regions to a mask and removes others, ``min(max(mask, add), 1 - remove)``.

    Soft edges are kept, and ``remove`` takes precedence.

    Args:
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        add: 1 in regions to animate, same shape as the mask.
        remove: 1 in regions to keep static, same shape as the mask.

    Returns:
        ``[1, 1, H, W]`` in [0, 1]; it may be zero everywhere.

    Raises:
        ValueError: If the shapes differ.
    """
    for name, painted in (("add", add), ("remove", remove)):
        if painted is not None and painted.shape != mask.shape:
            raise ValueError(
                f"{name} must be {list(mask.shape)} as the mask, got {list(painted.shape)}"
            )
    if add is not None:
        mask = torch.maximum(mask, add.to(mask))
    if remove is not None:
        mask = torch.minimum(mask, 1.0 - remove.to(mask))
    return mask
