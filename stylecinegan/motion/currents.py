"""Flow directions of rivers and seas from the shape of their regions."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.framing import limited_size
from stylecinegan.io import load_opencv
from stylecinegan.motion.regions import Regions
from stylecinegan.motion.vectors import lengths

SIDE = 256
"""Longer side of the map on which shapes are analysed."""

NUM_ITERATIONS = 150
"""Jacobi iterations of the potential flow."""

GRID_SIDE = 40
"""Side of the coarse grid on which a river's potential flow is solved."""

BANKS_WEIGHT = 0.85
"""Weight of the potential flow; the rest is the predicted direction."""

SWELL_TURN = 25.0
"""Angle of a sea's swell from the horizontal towards the viewer, in degrees, as in real clips."""


def follow_shapes(motion: Tensor, regions: Regions) -> Tensor:
    """Replaces the directions of rivers and seas by those of their shape; speeds are kept.

    - A river (water that widens towards the viewer and ends at land) flows along its banks towards
      its near end.
    - A sea (water that ends at the sky) rolls towards the viewer, more steeply above a shore in the
      foreground.
    - Other water (lakes, ponds) keeps its predicted direction.

    Args:
        motion: ``[1, 2, H, W]``.
        regions: Regions of this map.

    Returns:
        ``[1, 2, H, W]``.
    """
    if "water" not in regions.kinds:
        return motion
    size = limited_size(regions.number.shape, SIDE, least=2)
    label = _shrink(_label(regions), size)
    field = motion[0]
    speed = lengths(field)
    sideways = -1.0 if float(field[0][regions.moves].sum()) < 0 else 1.0
    for number in regions.of_kind("water"):
        region = regions.number == number
        water = _shrink(region & regions.moves, size).astype(bool)
        if not water.any():
            continue
        if meets_sky(water, label == 1):
            direction = towards_shore(water, label)
            angle = np.deg2rad(SWELL_TURN) * np.maximum(1.0 - direction[1], 0.0)
            direction = _rotate(direction, angle)
            direction[0] *= sideways
            wanted = _enlarge(direction, regions) * speed
        elif is_river(water):
            wanted = _enlarge(along_banks(water), regions) * speed
            wanted = torch.lerp(field, wanted, BANKS_WEIGHT)
            wanted = wanted / lengths(wanted).clamp(min=1e-9) * speed
        else:
            continue
        field = torch.where(region, wanted, field)
    return field[None]


def _label(regions: Regions) -> Tensor:
    """Classes 0 static, 1 sky, 2 water, ``[H, W]``."""
    by_number = [1 if regions.is_sky(number) else 2 for number in range(len(regions.kinds))]
    table = torch.tensor(by_number, device=regions.number.device)
    return table[regions.number] * regions.moves


def _shrink(values: Tensor, size: tuple[int, int]) -> np.ndarray:
    small = F.interpolate(values.float()[None, None], size, mode="nearest-exact")
    return small[0, 0].cpu().numpy().astype(np.int64)


def _enlarge(direction: np.ndarray, regions: Regions) -> Tensor:
    """Unit vectors ``[2, H, W]`` at the size of the regions."""
    small = torch.from_numpy(direction.astype(np.float32))[None].to(regions.number.device)
    fine = F.interpolate(small, regions.number.shape, mode="bilinear")[0]
    return fine / lengths(fine).clamp(min=1e-6)


def _rotate(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = vectors
    return np.stack([cosine * x - sine * y, sine * x + cosine * y])


def is_river(water: np.ndarray) -> bool:
    """Whether water ``[H, W]`` is a river: narrow at its far end and narrow for its length."""
    height, width = water.shape
    widths = water.sum(axis=1)
    rows = np.flatnonzero(widths)
    length = len(rows)
    if length < 0.25 * height:
        return False
    far, near = (widths[part].mean() for part in (rows[: length // 5], rows[-length // 3 :]))
    return bool(far < 0.5 * near and far < 0.3 * width and water.sum() < 0.9 * length**2)


def meets_sky(water: np.ndarray, sky: np.ndarray) -> bool:
    """Whether water borders on the sky above it, as a sea does, rather than on land."""
    columns = np.flatnonzero(water.any(axis=0))
    above = np.maximum(water.argmax(axis=0) - 2, 0)
    return bool(sky[above[columns], columns].mean() > 0.25)


def along_banks(water: np.ndarray) -> np.ndarray:
    """Potential flow through a region from its highest to its lowest rows, unit ``[2, H, W]``.

    The gradient of the harmonic function that is 0 at the source rows, 1 at the drain rows and has
    no flux through the banks (Jacobi iteration on a coarse grid).
    """
    cv2 = load_opencv()
    height, width = water.shape
    coarse = cv2.resize(
        water.astype(np.float32), (GRID_SIDE, GRID_SIDE), interpolation=cv2.INTER_AREA
    )
    inside = coarse > 0.3
    rows = np.flatnonzero(inside.any(axis=1))
    row = np.arange(GRID_SIDE)[:, None]
    source = inside & (row <= rows.min())
    drain = inside & (row >= rows.max())
    potential = np.where(inside, (row - rows.min()) / max(np.ptp(rows), 1), 0.0)
    for _ in range(NUM_ITERATIONS):
        total = np.zeros_like(potential)
        count = np.zeros_like(potential)
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            # No flux through the banks: only cells inside are averaged; the others are 0.
            total += _neighbour(potential, axis, step)
            count += _neighbour(inside, axis, step)
        potential = np.where(inside, total / np.maximum(count, 1.0), 0.0)
        potential[source], potential[drain] = 0.0, 1.0
    flow = np.stack([_smooth(_difference(potential, inside, axis), inside) for axis in (1, 0)])
    flow[0] *= width / height
    fine = np.stack([cv2.resize(part.astype(np.float32), (width, height)) for part in flow])
    return fine / np.maximum(np.hypot(*fine), 1e-6)


def _neighbour(values: np.ndarray, axis: int, step: int) -> np.ndarray:
    """Value of the cell before (step 1) or after (-1) each cell of an axis; 0 beyond the grid."""
    shifted = np.roll(values, step, axis)
    shifted.swapaxes(0, axis)[0 if step > 0 else -1] = 0
    return shifted


def _difference(potential: np.ndarray, inside: np.ndarray, axis: int) -> np.ndarray:
    """Derivative inside a region, one-sided at its edge."""
    total = np.zeros_like(potential)
    for step in (1, -1):
        change = step * (potential - _neighbour(potential, axis, step))
        total += np.where(_neighbour(inside, axis, step), change, 0.0)
    return total


def _smooth(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Smooths the values of a region and extrapolates them beyond its edge."""
    cv2 = load_opencv()
    weight = cv2.GaussianBlur(inside.astype(np.float64), (0, 0), 1.0)
    return cv2.GaussianBlur(values * inside, (0, 0), 1.0) / np.maximum(weight, 1e-9)


def towards_shore(water: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Unit vectors, ``[2, H, W]``, to the right, bent downwards above a shore in the foreground."""
    cv2 = load_opencv()
    height = water.shape[0]
    rows = np.arange(height)[:, None]
    bottom = np.where(water, rows, -1).max(axis=0)
    below = np.minimum(bottom + 2, height - 1)
    is_shore = (bottom > 0.5 * height) & (bottom < height - 2)
    is_shore &= label[below, np.arange(water.shape[1])] == 0
    near = np.exp(-np.maximum(bottom[None] - rows, 0) / (0.08 * height)) * is_shore
    turn = cv2.GaussianBlur(near.astype(np.float32), (0, 0), height / 32) * np.deg2rad(60.0)
    return np.stack([np.cos(turn), np.sin(turn)])
