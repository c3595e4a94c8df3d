"""Procedural landscapes, for tests and the example photo."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class DrawnLandscape:
    """A procedural landscape with its ground truth.

    Attributes:
        image: ``[1, 3, H, W]`` in [-1, 1].
        label: 0 static, 1 sky, 2 water, ``[1, 1, H, W]``, int64.
        mask: S, 1 in sky and water, ``[1, 1, H, W]``.
    """

    image: Tensor
    label: Tensor
    mask: Tensor


def draw_landscape(height: int, width: int, seed: int = 0) -> DrawnLandscape:
    """Draws clouds, a mountain ridge and a lake.

    Args:
        height: Height in pixels, at least 16.
        width: Width in pixels, at least 16.
        seed: Fixes the picture.
    """
    random = torch.Generator().manual_seed(seed)
    rows = torch.linspace(0.0, 1.0, height).view(1, 1, height, 1)
    shore = 0.62 + 0.02 * _ridge(width, 6, random)
    ridge = 0.42 + 0.13 * _ridge(width, 5, random) + 0.03 * _ridge(width, 40, random)

    clouds = _fractal_noise(height, width, (3.0, 1.0), random)
    sky = _mix((rows * 2.0).clamp(max=1.0), (0.25, 0.45, 0.78), (0.93, 0.80, 0.66))
    sky = torch.lerp(sky, torch.full_like(sky, 0.97), (clouds * 1.6 + 0.3).clamp(0.0, 0.95))

    rock = _fractal_noise(height, width, (1.0, 1.0), random)
    depth = ((rows - ridge) / 0.25).clamp(0.0, 1.0)
    land = _mix(depth, (0.36, 0.38, 0.46), (0.16, 0.22, 0.14)) * (1.0 + 0.5 * rock)

    is_land = _edge((rows - ridge) * height)
    waves = _fractal_noise(height, width, (8.0, 0.5), random)
    nearness = ((rows - shore) / (1.0 - shore)).clamp(0.0, 1.0)
    mirrored = _reflection(torch.lerp(sky, land, is_land), rows, shore, waves * nearness.sqrt())
    deep = _mix(nearness, (0.30, 0.42, 0.52), (0.08, 0.22, 0.32))
    water = (
        torch.lerp(mirrored, deep, (0.5 + 1.2 * nearness).clamp(max=1.0))
        + 0.35 * nearness.sqrt() * waves
    )

    is_water = _edge((rows - torch.maximum(shore, ridge)) * height)
    image = torch.lerp(torch.lerp(sky, land, is_land), water, is_water)
    label = torch.ones(1, 1, height, width, dtype=torch.int64)
    label[is_land > 0.5] = 0
    label[is_water > 0.5] = 2
    mask = torch.maximum(1.0 - is_land, is_water)
    return DrawnLandscape((image.clamp(0.0, 1.0) * 2.0 - 1.0), label, mask)


def _reflection(above: Tensor, rows: Tensor, shore: Tensor, waves: Tensor) -> Tensor:
    """The picture above the shore, mirrored below it and distorted by waves, ``[1, 3, H, W]``."""
    height, width = above.shape[2:]
    y = (2.0 * shore - rows + 0.15 * waves).clamp(0.0, 1.0)[0, 0]
    x = torch.linspace(-1.0, 1.0, width).expand(height, width)
    grid = torch.stack([x, 2.0 * y.expand(height, width) - 1.0], dim=2)[None]
    return F.grid_sample(above, grid, padding_mode="border", align_corners=True)


def _edge(distance: Tensor) -> Tensor:
    """Antialiased coverage of a pixel by its distance to an edge, in pixels."""
    return (distance + 0.5).clamp(0.0, 1.0)


def _mix(share: Tensor, start: tuple[float, ...], end: tuple[float, ...]) -> Tensor:
    first, second = (torch.tensor(colour).view(1, 3, 1, 1) for colour in (start, end))
    return first + share * (second - first)


def _ridge(width: int, peaks: int, random: torch.Generator) -> Tensor:
    """Random ridge line, ``[1, 1, 1, width]``, about in [-1, 1]."""
    line = torch.zeros(1, 1, 1, width)
    for octave in range(4):
        knots = torch.rand(1, 1, 1, peaks * 2**octave + 1, generator=random) * 2.0 - 1.0
        line += 0.5**octave * F.interpolate(knots, (1, width), mode="bilinear", align_corners=True)
    return line / 1.5


def _fractal_noise(
    height: int, width: int, stretch: tuple[float, float], random: torch.Generator
) -> Tensor:
    """Sum of octaves of smooth noise, ``[1, 1, H, W]``, about in [-1, 1].

    ``stretch`` draws features out along (x, y).
    """
    noise = torch.zeros(1, 1, height, width)
    cells = 4.0
    amplitude = 0.5
    while cells <= max(height, width) / 2:
        rows = max(2, round(cells * height / max(height, width) / stretch[1]))
        columns = max(2, round(cells * width / max(height, width) / stretch[0]))
        octave = torch.rand(1, 1, rows + 1, columns + 1, generator=random) * 2.0 - 1.0
        noise += amplitude * F.interpolate(
            octave, (height, width), mode="bicubic", align_corners=True
        )
        cells *= 2.0
        amplitude *= 0.62
    return noise
