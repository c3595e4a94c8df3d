"""Paths drawn on a photo: their parsing and resampling, and distances of pixels from them."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.motion.controls.steering import as_complex, as_vectors
from stylecinegan.warping.displacement import pixel_grid

Polyline = tuple[complex, ...]
"""One or more points x + iy, in pixels of a map."""

NUM_STEPS = 32
"""Number of line segments that approximate a curved path."""

GRID_SIDE = 192
"""Longer side of the map on which distances to curved paths are computed; they are smooth."""

CORNER = 0.03
"""Radius by which a path's corners are rounded, as a fraction of its length."""


def parse_paths(
    drawn: Sequence[Any],
    size: tuple[int, int],
    photo_size: tuple[int, int] | None = None,
    *,
    wanted: str,
    fewest: int,
) -> list[Polyline]:
    """Parses paths.

    Args:
        drawn: ``[[x, y], [x, y], …]`` each, or flat, ``[x, y, x, y, …]``. If all numbers of all
            paths are in [0, 1] they are normalised coordinates, otherwise pixels of the photo.
        size: (height, width) of the map.
        photo_size: (height, width) of the photo; by default that of the map.
        wanted: Description of the expected form, for the error message.
        fewest: Smallest number of points of a path.

    Raises:
        InputError: If the numbers have another form.
    """
    try:
        numbers = [_flatten(path) for path in drawn]
    except (TypeError, ValueError) as error:
        raise InputError(f"{wanted}, got {drawn}") from error
    flat = [value for path in numbers for value in path]
    is_incomplete = any(len(path) % 2 or len(path) < 2 * fewest for path in numbers)
    if is_incomplete or not all(map(math.isfinite, flat)):
        raise InputError(f"{wanted}, got {drawn}")
    is_normalised = all(0.0 <= value <= 1.0 for value in flat)
    height, width = (1.0, 1.0) if is_normalised else (photo_size or size)
    across, down = size[1] / width, size[0] / height
    return [
        tuple(complex(x * across, y * down) for x, y in zip(path[::2], path[1::2], strict=True))
        for path in numbers
    ]


def _flatten(path: Any) -> list[float]:
    """Coordinates of a path as ``[x, y, x, y, …]``."""
    values: list[float] = []
    for entry in path:
        if isinstance(entry, Sequence) and not isinstance(entry, str):
            x, y = entry
            values += [float(x), float(y)]
        else:
            values.append(float(entry))
    return values


def resample(path: Polyline, count: int) -> Polyline:
    """Resamples a path at ``count + 1`` equidistant points, including both ends."""
    lengths = [abs(after - before) for before, after in pairwise(path)]
    total = sum(lengths)
    points, passed, part = [], 0.0, 0
    for step in range(count + 1):
        wanted = total * step / count
        while part < len(lengths) - 1 and passed + lengths[part] < wanted:
            passed += lengths[part]
            part += 1
        share = min(1.0, (wanted - passed) / lengths[part]) if lengths[part] else 0.0
        points.append(path[part] + share * (path[part + 1] - path[part]))
    return tuple(points)


def distance_and_direction(path: Polyline, like: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to a path, and the path's direction at the nearest point.

    Args:
        path: Two or more points, not all equal.
        like: Map ``[H, W]`` with the size and device of the result.

    Returns:
        Distance in pixels, ``[H, W]``, and complex directions of length 1, ``[H, W]``, which turn
        smoothly where the path does.
    """
    height, width = like.shape
    if len(path) == 2:
        distance = distance_to_segment(path[0], path[1], like)
        direction = (path[1] - path[0]) / abs(path[1] - path[0])
        return distance, torch.full((height, width), direction, device=like.device)
    scale = min(1.0, GRID_SIDE / max(height, width))
    coarse = like.new_zeros(max(2, round(height * scale)), max(2, round(width * scale)))
    # Pixel centres have integer coordinates in both maps, whose outer edges coincide.
    points = tuple((p + (0.5 + 0.5j)) * scale - (0.5 + 0.5j) for p in resample(path, NUM_STEPS))
    steps = list(pairwise(points))
    length = sum(abs(after - before) for before, after in steps)
    distance = coarse + math.inf
    direction = torch.zeros_like(as_complex(torch.stack([coarse, coarse])[None]))
    for before, after in steps:
        away = distance_to_segment(before, after, coarse)
        distance = torch.minimum(distance, away)
        # The fourth power of the distance makes the weights of distant segments negligible.
        direction = direction + (after - before) * (away**2 + (CORNER * length) ** 2) ** -2
    direction = direction / direction.abs().clamp(min=1e-20)
    maps = torch.cat([(distance / scale)[None, None], as_vectors(direction)], dim=1)
    fine = F.interpolate(maps, (height, width), mode="bilinear")
    direction = as_complex(fine[:, 1:])
    return fine[0, 0], direction / direction.abs().clamp(min=1e-9)


def distance_to_path(path: Polyline, like: Tensor) -> Tensor:
    """Distance of each pixel to a point or a path, ``[H, W]``, in pixels."""
    if all(point == path[0] for point in path):
        return distance_to_segment(path[0], path[0], like)
    return distance_and_direction(path, like)[0]


def distance_to_segment(start: complex, end: complex, like: Tensor) -> Tensor:
    """Distance of each pixel to a line segment, ``[H, W]``."""
    place = as_complex(pixel_grid(like.shape[0], like.shape[1], like)) - start
    length = abs(end - start)
    if length == 0.0:
        return place.abs()
    direction = (end - start) / length
    along = (place * direction.conjugate()).real.clamp(0.0, length)
    return (place - along * direction).abs()
