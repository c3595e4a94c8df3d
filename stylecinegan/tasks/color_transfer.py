"""The colours of one photo on another, region by region: what a change of appearance aims at."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# Oklab (Ottosson 2020): linear sRGB to cones, and their cube roots to lightness and two opponents.
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)

GAINS = (0.4, 2.5)
"""Bounds of what a transfer does to contrasts: mist on high contrast would be noise."""

SMALLEST_DEVIATION = 0.02
"""Deviation of a colour, in Oklab, below which there is no contrast to speak of."""

WHOLE_SHARE = 0.05
"""How much a pixel outside of a region counts for its palette; a region may be empty."""


class Palette(NamedTuple):
    """Colours of ground, sky and water: mean ``[B, 3, 3]``, covariance ``[B, 3, 3, 3]``."""

    mean: Tensor
    covariance: Tensor


def to_oklab(image: Tensor) -> Tensor:
    """Converts sRGB ``[B, 3, H, W]`` in [-1, 1] to Oklab, whose lightness is in [0, 1]."""
    value = (image * 0.5 + 0.5).clamp(0.0, 1.0)
    linear = torch.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    cones = _mix(linear, torch.tensor(_TO_CONES)).clamp(min=0.0) ** (1.0 / 3.0)
    return _mix(cones, torch.tensor(_TO_LAB))


def from_oklab(lab: Tensor) -> Tensor:
    """Converts Oklab to sRGB in [-1, 1]; colours that a screen lacks are clamped."""
    cones = _mix(lab, torch.tensor(_TO_LAB).inverse()) ** 3
    linear = _mix(cones, torch.tensor(_TO_CONES).inverse()).clamp(0.0, 1.0)
    curve = 1.055 * linear.clamp(min=1e-6) ** (1.0 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curve) * 2.0 - 1.0


def find_palette(lab: Tensor, label: Tensor) -> Palette:
    """Sums up the colours of ground, sky and water.

    Args:
        lab: Oklab, ``[B, 3, H, W]``.
        label: ``[B, H, W]``, 0 static, 1 sky, 2 water. Where there is no water the sky's colours
            count most for it.
    """
    ground, sky, water = F.one_hot(label, 3).permute(3, 0, 1, 2).float()
    weights = torch.stack([ground, sky, water + WHOLE_SHARE * sky], dim=1) + WHOLE_SHARE**2
    weights = weights.flatten(2) / weights.flatten(2).sum(dim=2, keepdim=True)
    pixels = lab.flatten(2).transpose(1, 2)  # [B, N, 3]
    mean = weights @ pixels
    centred = pixels.unsqueeze(1) - mean.unsqueeze(2)  # [B, regions, N, 3]
    return Palette(mean, (centred * weights.unsqueeze(-1)).transpose(2, 3) @ centred)


def transfer_colors(lab: Tensor, label: Tensor, source: Palette, aim: Palette) -> Tensor:
    """Moves each region's colours towards another picture's, fading from region to region.

    The optimal linear map between two normal distributions (Pitié and Kokaram 2007), its gains
    bounded.

    Args:
        lab: Oklab, ``[B, 3, H, W]``.
        label: Its regions, ``[B, H, W]``.
        source: Its own palette; towards itself nothing changes.
        aim: The other's.

    Returns:
        Oklab, ``[B, 3, H, W]``.
    """
    gain = transport_map(source.covariance, aim.covariance)
    offset = aim.mean.unsqueeze(-1) - gain @ source.mean.unsqueeze(-1)  # [B, regions, 3, 1]
    moved = gain @ lab.flatten(2).unsqueeze(1) + offset  # [B, regions, 3, N]
    shares = soft_regions(label, max(1, lab.shape[2] // 20))
    return (moved * shares.flatten(2).unsqueeze(2)).sum(dim=1).view_as(lab)


def transport_map(source: Tensor, aim: Tensor) -> Tensor:
    """The symmetric map of one covariance to another, ``[..., 3, 3]``, its gains bounded."""
    floor = SMALLEST_DEVIATION**2 * torch.eye(3, device=aim.device)
    root, inverse = _power(source + floor, 0.5), _power(source + floor, -0.5)
    gain = inverse @ _power(root @ (aim + floor) @ root, 0.5) @ inverse
    values, vectors = torch.linalg.eigh(0.5 * (gain + gain.transpose(-1, -2)))
    return vectors @ torch.diag_embed(values.clamp(*GAINS)) @ vectors.transpose(-1, -2)


def soft_regions(label: Tensor, radius: int) -> Tensor:
    """Shares of ground, sky and water, ``[B, 3, H, W]``, fading over about ``radius`` pixels."""
    shares = F.one_hot(label, 3).permute(0, 3, 1, 2).float()
    for _ in range(2):
        shares = F.pad(shares, (radius,) * 4, mode="replicate")
        shares = F.avg_pool2d(shares, 2 * radius + 1, stride=1)
    return shares


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    powers = torch.diag_embed(values.clamp(min=1e-8) ** exponent)
    return vectors @ powers @ vectors.transpose(-1, -2)


def _mix(image: Tensor, matrix: Tensor) -> Tensor:
    return F.conv2d(image, matrix.to(image).view(3, 3, 1, 1))
