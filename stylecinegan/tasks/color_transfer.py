"""Colour transfer between photos by region, the training target of appearance change."""

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
"""Bounds of the gain in contrast; larger ones would amplify the noise of misty photos."""

SMALLEST_DEVIATION = 0.02
"""Standard deviation in Oklab below which a region counts as flat."""

WHOLE_SHARE = 0.05
"""Scale of the weight of pixels outside a region in its palette, for the sake of empty regions."""


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
    """Converts Oklab to sRGB in [-1, 1]; colours out of gamut are clamped."""
    cones = _mix(lab, torch.tensor(_TO_LAB).inverse()) ** 3
    linear = _mix(cones, torch.tensor(_TO_CONES).inverse()).clamp(0.0, 1.0)
    curve = 1.055 * linear.clamp(min=1e-6) ** (1.0 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curve) * 2.0 - 1.0


def find_palette(lab: Tensor, label: Tensor) -> Palette:
    """Mean and covariance of the colours of ground, sky and water.

    Args:
        lab: Oklab, ``[B, 3, H, W]``.
        label: ``[B, H, W]``, 0 static, 1 sky, 2 water. Without water, its palette is mostly the
            sky's.
    """
    ground, sky, water = F.one_hot(label, 3).permute(3, 0, 1, 2).float()
    weights = torch.stack([ground, sky, water + WHOLE_SHARE * sky], dim=1) + WHOLE_SHARE**2
    weights = weights.flatten(2) / weights.flatten(2).sum(dim=2, keepdim=True)
    pixels = lab.flatten(2).transpose(1, 2)  # [B, N, 3]
    mean = weights @ pixels
    centred = pixels.unsqueeze(1) - mean.unsqueeze(2)  # [B, regions, N, 3]
    return Palette(mean, (centred * weights.unsqueeze(-1)).transpose(2, 3) @ centred)


def transfer_colors(lab: Tensor, label: Tensor, source: Palette, target: Palette) -> Tensor:
    """Maps the colours of each region to another picture's, blended between regions.

    A region with mean μ and covariance Σ maps c to ``μ' + T (c - μ)``, T the optimal transport map
    between normal distributions (:func:`transport_map`; Pitié and Kokaram 2007).

    Args:
        lab: Oklab, ``[B, 3, H, W]``.
        label: Its regions, ``[B, H, W]``.
        source: Its palette.
        target: The palette of the other picture.

    Returns:
        Oklab, ``[B, 3, H, W]``.
    """
    gain = transport_map(source.covariance, target.covariance)
    offset = target.mean.unsqueeze(-1) - gain @ source.mean.unsqueeze(-1)  # [B, regions, 3, 1]
    moved = gain @ lab.flatten(2).unsqueeze(1) + offset  # [B, regions, 3, N]
    shares = soft_regions(label, max(1, lab.shape[2] // 20))
    return (moved * shares.flatten(2).unsqueeze(2)).sum(dim=1).view_as(lab)


def transport_map(source: Tensor, target: Tensor) -> Tensor:
    """Optimal transport of covariance Σ to Σ', gains clamped to :data:`GAINS`, ``[..., 3, 3]``.

    ``T = Σ^-1/2 (Σ^1/2 Σ' Σ^1/2)^1/2 Σ^-1/2``.
    """
    floor = SMALLEST_DEVIATION**2 * torch.eye(3, device=target.device)
    root, inverse = _power(source + floor, 0.5), _power(source + floor, -0.5)
    gain = inverse @ _power(root @ (target + floor) @ root, 0.5) @ inverse
    values, vectors = torch.linalg.eigh(0.5 * (gain + gain.transpose(-1, -2)))
    return vectors @ torch.diag_embed(values.clamp(*GAINS)) @ vectors.transpose(-1, -2)


def soft_regions(label: Tensor, radius: int) -> Tensor:
    """Blurred masks of ground, sky and water that sum to 1, ``[B, 3, H, W]``."""
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
