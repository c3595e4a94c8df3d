"""Pyramids of RGB levels, warped instead of deep features, and inpainting of static regions."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

_EPSILON = 1e-6


def enlarge(image: Tensor, size: Sequence[int]) -> Tensor:
    """Upsamples ``[B, C, H, W]`` bilinearly, with replicated borders."""
    return F.interpolate(image, tuple(size), mode="bilinear", align_corners=False)


def shrink(image: Tensor, size: Sequence[int]) -> Tensor:
    """Area average of ``[B, C, H, W]``."""
    factor = image.shape[2] // size[0]
    if (size[0] * factor, size[1] * factor) == tuple(image.shape[2:]):
        return F.avg_pool2d(image, factor) if factor > 1 else image
    return F.interpolate(image, tuple(size), mode="area")


def sum_pyramid(levels: Sequence[Tensor]) -> Tensor:
    """Sums levels ``[B, 3, H, W]`` from coarse to fine, upsampled by :func:`enlarge`."""
    image = levels[0]
    for level in levels[1:]:
        image = enlarge(image, level.shape[2:]) + level
    return image


def differences(images: Sequence[Tensor]) -> list[Tensor]:
    """Levels whose partial sums (:func:`sum_pyramid`) are the pictures, coarse to fine."""
    levels = [images[0]]
    for coarse, fine in pairwise(images):
        enlarged = enlarge(coarse, fine.shape[2:])
        levels.append(torch.sub(fine, enlarged, out=enlarged))
    return levels


def band_pass(image: Tensor, num_levels: int) -> list[Tensor]:
    """Laplacian pyramid of a picture, coarse to fine; all levels but the first have zero mean.

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
    """Interior of the moving region: the mask, eroded by about 0.4 % of its side.

    Args:
        mask: S, ``[B, 1, H, W]``.

    Returns:
        0 or 1, ``[B, 1, H, W]``. A mask that erosion would leave empty is only thresholded.
    """
    core = (mask >= 0.9 * mask.amax(dim=(2, 3), keepdim=True)) & (mask > 0)
    radius = round(0.004 * max(mask.shape[2:]))
    # The maximum of a square is that of its rows' maxima: at 4K a sixth of the time.
    grown = F.max_pool2d(1.0 - core.to(mask.dtype), (1, 2 * radius + 1), 1, (0, radius))
    eroded = 1.0 - F.max_pool2d(grown, (2 * radius + 1, 1), 1, (radius, 0))
    keeps_some = eroded.amax(dim=(2, 3), keepdim=True) > 0
    return torch.where(keeps_some, eroded, core.to(mask.dtype))


def fill_static(image: Tensor, core: Tensor) -> Tensor:
    """Inpaints the static region from the moving one (push-pull, Gortler et al. 1996).

    Coarse levels mix both sides of an edge: without inpainting, ridges and shores leak into the
    moving sky and water.

    Args:
        image: ``[B, C, H, W]``.
        core: 1 where the picture is kept, 0 where it is inpainted, ``[B, 1, H, W]``.

    Returns:
        ``[B, C, H, W]``; zero if the core is empty.
    """
    pushed = [(image * core, core)]
    while max(pushed[-1][1].shape[2:]) > 1:
        value, weight = pushed[-1]
        size = [-(-side // 2) for side in weight.shape[2:]]
        pushed.append((shrink(value, size), shrink(weight, size)))
    value, weight = pushed.pop()
    filled = value / weight.clamp(min=_EPSILON)
    while pushed:
        value, weight = pushed.pop()
        known = value.div_(weight.clamp(min=_EPSILON))
        # Cells covered by half or more are kept fully: their average is of moving content alone.
        share = (weight * 2.0).clamp_(max=1.0)
        filled = enlarge(filled, weight.shape[2:]).lerp_(known, share)
    return filled
