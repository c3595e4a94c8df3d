"""Size at which motion is predicted and controlled."""

import torch.nn.functional as F
from torch import Tensor

from stylecinegan.framing import limited_size

LONGEST_SIDE = 2048
"""Longer side, in pixels, to which larger photos are shrunk: motion varies slowly."""


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """Size of the motion of a photo of (height, width): at most 2048 pixels a side."""
    return limited_size(size, LONGEST_SIDE)


def shrink_photo(photo: Tensor) -> Tensor:
    """Resamples ``[1, C, H, W]`` to the working size by area averaging, if it is larger."""
    size = working_size((photo.shape[2], photo.shape[3]))
    return photo if size == tuple(photo.shape[2:]) else F.interpolate(photo, size, mode="area")


def shrink_mask(mask: Tensor) -> Tensor:
    """Resamples a mask to the working size; one that averages below 0.5 is max-pooled instead.

    Args:
        mask: ``[1, 1, H, W]`` in [0, 1].

    Returns:
        ``[1, 1, h, w]`` in [0, 1], above 0.5 somewhere if the mask is.
    """
    shrunken = shrink_photo(mask)
    if shrunken is mask or bool((shrunken > 0.5).any()):
        return shrunken
    return F.adaptive_max_pool2d(mask, shrunken.shape[2:])
