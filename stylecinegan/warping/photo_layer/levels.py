"""RGB levels: what is warped instead of deep features, and how they are made fit for it."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

_EPSILON = 1e-6


def enlarge(image: Tensor, size: Sequence[int]) -> Tensor:
    """Enlarges ``[B, C, H, W]`` bilinearly; the border goes on instead of getting dark."""
    return F.interpolate(image, tuple(size), mode="bilinear", align_corners=False)


def shrink(image: Tensor, size: Sequence[int]) -> Tensor:
    """Area average of ``[B, C, H, W]``."""
    factor = image.shape[2] // size[0]
    if (size[0] * factor, size[1] * factor) == tuple(image.shape[2:]):
        return F.avg_pool2d(image, factor) if factor > 1 else image
    return F.interpolate(image, tuple(size), mode="area")


def sum_pyramid(levels: Sequence[Tensor]) -> Tensor:
    """Adds levels ``[B, 3, H, W]`` from coarse to fine, with :func:`enlarge` between them."""
    image = levels[0]
    for level in levels[1:]:
        image = enlarge(image, level.shape[2:]) + level
    return image


def differences(images: Sequence[Tensor]) -> list[Tensor]:
    """Levels whose sums (:func:`sum_pyramid`) after each level are the pictures, coarse to fine."""
    levels = [images[0]]
    for coarse, fine in pairwise(images):
        levels.append(fine - enlarge(coarse, fine.shape[2:]))
    return levels


def band_pass(image: Tensor, num_levels: int) -> list[Tensor]:
    """Laplacian pyramid of a picture, coarse to fine: all levels but the first have zero mean.

    Args:
        image: ``[B, 3, H, W]``; sides are halved (rounded up) from level to level.
        num_levels: At most this many; the coarsest level keeps at least 8 pixels a side.
    """
    images = [image]
    while len(images) < num_levels and min(images[0].shape[2:]) >= 16:
        size = [-(-side // 2) for side in images[0].shape[2:]]
        images.insert(0, shrink(images[0], size))
    return differences(images)


def moving_core(mask: Tensor) -> Tensor:
    """Where the picture surely shows moving content: the mask, eroded by about 0.4 % of its side.

    Args:
        mask: S, ``[B, 1, H, W]``.

    Returns:
        0 or 1, ``[B, 1, H, W]``. A mask of which erosion would leave nothing is only thresholded.
    """
    core = (mask >= 0.9 * mask.amax(dim=(2, 3), keepdim=True)) & (mask > 0)
    radius = round(0.004 * max(mask.shape[2:]))
    eroded = 1.0 - F.max_pool2d(1.0 - core.to(mask.dtype), 2 * radius + 1, 1, radius)
    keeps_some = eroded.amax(dim=(2, 3), keepdim=True) > 0
    return torch.where(keeps_some, eroded, core.to(mask.dtype))


def fill_static(image: Tensor, core: Tensor) -> Tensor:
    """Fills what stays with what moves around it (push-pull, Gortler et al. 1996).

    Warped as they are, ridges and shores would glow into sky and water, because coarse levels mix
    both sides of the edge. The moving layer has only moving content.

    Args:
        image: ``[B, C, H, W]``.
        core: 1 where the picture is kept, else 0, ``[B, 1, H, W]``.

    Returns:
        ``[B, C, H, W]``; zero where the core is empty everywhere.
    """
    pushed = [(image * core, core)]
    while max(pushed[-1][1].shape[2:]) > 1:
        value, weight = pushed[-1]
        size = [-(-side // 2) for side in weight.shape[2:]]
        pushed.append((shrink(value, size), shrink(weight, size)))
    value, weight = pushed.pop()
    filled = value / weight.clamp(min=_EPSILON)
    for value, weight in reversed(pushed):
        known = value / weight.clamp(min=_EPSILON)
        # A cell that is half covered is trusted fully: its average is of moving content alone.
        share = (weight * 2.0).clamp(max=1.0)
        filled = torch.lerp(enlarge(filled, weight.shape[2:]), known, share)
    return filled
