"""Nearness (inverse depth) of a photo from mask, horizon and straight lines."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.camera.cells import Cells
from stylecinegan.camera.ground import Ground
from stylecinegan.camera.least_squares import LeastSquares
from stylecinegan.camera.straight_lines import find_lines
from stylecinegan.framing import limited_size
from stylecinegan.motion.regions import Regions

SIDE = 256
"""Longer side of the map that is returned."""

LINES_SIDE = 512
"""Longer side of the picture for the line detection."""

GRID_SIDE = 48
"""Cells along the longer side of the grid of the least squares."""

STRETCH = 0.003
"""Weight of smoothness in the sky, relative to static cells, so that it takes the depth steps."""

FAR = STRETCH / 36
"""Weight of n = 0 in the sky, for a decay length of 6 cells behind objects in front of it."""

LEVEL = 0.15
"""Weight of horizontal smoothness relative to vertical, in static cells."""

FLOATING = 0.2
"""Weight of water having the nearness of the ground plane."""

STRAIGHT = 100.0
"""Weight of straight lines."""


def estimate_nearness(photo: Tensor, regions: Regions, ground: Ground) -> Tensor:
    """Estimates nearness from the regions, the ground plane and straight lines of a photo.

    Nearness n is inverse depth, 0 at infinity and 1 nearest. On a coarse grid, it minimises
    ``Σ w (∂n - g)² + Σ λ (n - n0)²``:

    - The sky is far, n0 = 0. Water, and the foot of objects in water or at the picture's lower
      edge, has the nearness of the ground, n0 =
      :meth:`~stylecinegan.camera.ground.Ground.nearness`.
    - Static regions are rigid, w = 1, and upright, g = 0: they have the nearness of their foot.
      Land down to the lower edge, below all upright lines, is level: g is the ground's slope.
    - Along straight static lines n is constant if they are upright, otherwise linear, which keeps
      them straight.
    - The sky is soft, w = 0.003: depth steps are spread over it.

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].
        regions: Moving regions, at any resolution.
        ground: Ground plane.

    Returns:
        ``[1, 1, h, w]`` in [0, 1], on the CPU, of a longer side of at most 256 pixels.
    """
    full = (photo.shape[2], photo.shape[3])
    lines_size = limited_size(full, LINES_SIDE, least=2)
    picture = F.interpolate(photo, lines_size, mode="bicubic", antialias=True)
    lines = find_lines(picture.clamp(-1.0, 1.0))
    solution = _solve(
        Cells(regions, ground, lines, lines_size, limited_size(full, GRID_SIDE, least=2))
    )
    values = torch.from_numpy(solution).float()[None, None]
    values = F.interpolate(
        values, limited_size(full, SIDE, least=2), mode="bicubic", align_corners=False
    )
    values = values.clamp(min=0.0)
    return values / values.max().clamp(min=1e-6)


def _solve(cells: Cells) -> np.ndarray:
    """Nearness of the cells, ``[h, w]``."""
    height, width = cells.grid
    number = np.arange(height * width).reshape(height, width)
    system = LeastSquares(number.size)
    on_ground = np.broadcast_to(cells.ground.nearness(cells.rows)[:, None], cells.grid)
    for weight, value in (
        (FAR * cells.sky, np.zeros(cells.grid)),
        (np.where(cells.upright, 0.0, FLOATING * cells.water) + cells.foot, on_ground),
    ):
        system.add(number.reshape(-1, 1), np.ones((number.size, 1)), weight.ravel(), value.ravel())
    slope = np.where(cells.land, np.gradient(on_ground, axis=0), 0.0)
    for axis, evenness in ((0, 1.0), (1, LEVEL)):
        first, second = _pairs(number, axis)
        rigid = np.minimum(*_pairs(cells.rigid, axis))
        target = np.mean(_pairs(slope, axis), axis=0) if axis == 0 else np.zeros(first.size)
        where = np.stack([second, first], axis=1)
        factors = np.broadcast_to([1.0, -1.0], where.shape)
        system.add(where, factors, evenness * rigid + STRETCH, target)
    for lines, order in ((cells.upright_lines, [-1.0, 1.0]), (cells.other_lines, [1.0, -2.0, 1.0])):
        _straighten(system, lines, cells.grid, np.array(order))
    return system.solve().reshape(cells.grid)


def _pairs(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Flattened values of neighbours along an axis, first and second."""
    last = values.shape[axis]
    return (
        values.take(range(last - 1), axis).ravel(),
        values.take(range(1, last), axis).ravel(),
    )


def _straighten(
    system: LeastSquares, lines: np.ndarray, grid: tuple[int, int], difference: np.ndarray
) -> None:
    """Adds equations for a vanishing finite difference along each line."""
    height, width = grid
    for line in lines:
        ends = line * (width, height) - 0.5
        count = max(len(difference), round(float(np.abs(ends[1] - ends[0]).max())) + 1)
        points = np.linspace(*ends, num=count).clip(0.0, (width - 1, height - 1))
        corner = np.minimum(points.astype(int), (width - 2, height - 2))
        x, y = (points - corner).T
        index = corner[:, 1] * width + corner[:, 0]
        where = np.stack([index, index + 1, index + width, index + width + 1], axis=1)
        factors = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], axis=1)
        steps = len(points) - len(difference) + 1
        taken = [slice(start, start + steps) for start in range(len(difference))]
        system.add(
            np.concatenate([where[part] for part in taken], axis=1),
            np.concatenate(
                [f * factors[part] for f, part in zip(difference, taken, strict=True)], axis=1
            ),
            np.full(steps, STRAIGHT),
            np.zeros(steps),
        )
