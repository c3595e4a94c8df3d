"""Corrections of a mask by hand."""

import torch
from torch import Tensor


def correct_mask(
    mask: Tensor, *, add: Tensor | None = None, remove: Tensor | None = None
) -> Tensor:
    """Adds to a mask what shall move as well and takes away what shall stay.

    Soft edges stay soft: what is added counts by the larger value, what is removed by the smaller
    one. Where both are painted, it stays.

    Args:
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        add: 1 where something moves as well, of the mask's shape.
        remove: 1 where it stays, of the mask's shape.

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
