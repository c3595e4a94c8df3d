"""Metrics restricted to a region, by two conventions."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

MeanOver = Literal["picture", "region"]
"""Area of the mean of a masked metric; pixels outside the region are black in both pictures.

``"picture"``: the whole picture, as in the literature (Deep Landscape, static consistency). Small
regions give small distances. ``"region"``: the region only.
"""

NAMES: dict[MeanOver, str] = {"picture": "masked equal", "region": "mask area"}
"""Names of the conventions in the output."""


def mask_out(image: Tensor, region: Tensor | None) -> Tensor:
    """Sets everything outside a region to black.

    Args:
        image: ``[B, 3, ..., H, W]`` in [-1, 1].
        region: Compared region, ``[B, 1, ..., H, W]``, 1 inside and 0 outside; ``None`` is
            everywhere. For static consistency it is ``1 - S``.
    """
    return image if region is None else torch.where(region > 0.5, image, -1.0)


def mean_over(values: Tensor, region: Tensor | None, over: MeanOver) -> Tensor:
    """Mean of each map of a batch.

    Args:
        values: ``[B, C, h, w]``.
        region: ``[B, 1, H, W]``; a position of a smaller map is weighted by the fraction of it
            inside.
        over: Area of the mean.

    Returns:
        ``[B]``; NaN over an empty region.
    """
    if region is None or over == "picture":
        return values.mean(dim=(1, 2, 3))
    weight = area_fraction(region, values)
    total = (values.mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3))
    return total / weight.sum(dim=(1, 2, 3))


def area_fraction(region: Tensor, values: Tensor) -> Tensor:
    """Fraction of each position of a ``[B, C, h, w]`` map inside the region, ``[B, 1, h, w]``."""
    height, width = values.shape[2:]
    return F.adaptive_avg_pool2d((region > 0.5).to(values), (height, width))


def round_to_8_bits(image: Tensor) -> Tensor:
    """Rounds ``[B, 3, ...]`` in [-1, 1] to 8 bits, still in [-1, 1].

    So frames in memory and frames read from PNG files give the same numbers.
    """
    return to_pixels(image) / 127.5 - 1.0


def to_pixels(image: Tensor) -> Tensor:
    """Converts ``[B, 3, ...]`` in [-1, 1] to 8-bit values, as float."""
    return ((image.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round()
