"""Two conventions of metrics that are restricted to a region."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

MeanOver = Literal["picture", "region"]
"""Conventions of the mean of a masked metric.

``"picture"``: pixels outside the region are set equal (black) in both pictures and count as equal
ones, as the literature does (Deep Landscape, static consistency), so that a small region gives
small distances. ``"region"``: they are set equal as well, and the mean is taken over the region.
"""

NAMES: dict[MeanOver, str] = {"picture": "masked equal", "region": "mask area"}
"""Names of the conventions in the output."""


def cover(image: Tensor, region: Tensor | None) -> Tensor:
    """Sets everything outside a region to black.

    Args:
        image: ``[B, 3, ..., H, W]`` in [-1, 1].
        region: Mask of what is compared, ``[B, 1, ..., H, W]``, 1 inside and 0 outside. For static
            consistency that is what the mask S leaves: ``1 - mask``.
    """
    return image if region is None else torch.where(region > 0.5, image, -1.0)


def mean_over(values: Tensor, region: Tensor | None, over: MeanOver) -> Tensor:
    """Mean of every picture's map.

    Args:
        values: ``[B, C, h, w]``.
        region: ``[B, 1, H, W]``; its share of each place of a smaller map is that place's weight.
        over: The convention.

    Returns:
        ``[B]``; NaN over an empty region.
    """
    if region is None or over == "picture":
        return values.mean(dim=(1, 2, 3))
    weight = share_of(region, values)
    total = (values.mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3))
    return total / weight.sum(dim=(1, 2, 3))


def share_of(region: Tensor, values: Tensor) -> Tensor:
    """Share of each position of a ``[B, C, h, w]`` map inside the region, ``[B, 1, h, w]``."""
    height, width = values.shape[2:]
    return F.adaptive_avg_pool2d((region > 0.5).to(values), (height, width))


def as_stored(image: Tensor) -> Tensor:
    """Rounds ``[B, 3, ...]`` in [-1, 1] to 8 bits, still in [-1, 1].

    Frames from memory and frames read from PNG files then give the same numbers.
    """
    return to_pixels(image) / 127.5 - 1.0


def to_pixels(image: Tensor) -> Tensor:
    """8-bit values, as float, of ``[B, 3, ...]`` in [-1, 1]."""
    return ((image.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round()
