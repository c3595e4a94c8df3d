"""Arrows: directions and relative speeds of regions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.motion.controls.paths import (
    Polyline,
    distance_and_direction,
    parse_paths,
    resample,
)
from stylecinegan.motion.controls.steering import as_complex, as_vectors, fill_static, steer
from stylecinegan.motion.regions import Regions

REACH = 0.25
"""Reach of an arrow's direction, as a fraction of the square root of its region's area."""

WANTED = "arrows must be [[x0,y0,x1,y1],...] or [[[x0,y0],[x1,y1],[x2,y2]],...]"


@dataclass(frozen=True)
class Arrow:
    """A straight or curved arrow.

    Attributes:
        points: Two or more points from start to tip, in pixels of the mask.
    """

    points: Polyline

    @property
    def length(self) -> float:
        """Length along the arrow in pixels."""
        return sum(abs(after - before) for before, after in pairwise(self.points))


def parse_arrows(
    arrows: Sequence[Any],
    size: tuple[int, int],
    photo_size: tuple[int, int] | None = None,
) -> list[Arrow]:
    """Parses arrows.

    Args:
        arrows: ``[x0, y0, x1, y1]`` each, or ``[[x0, y0], [x1, y1], [x2, y2], …]`` for a curved
            one, from start to tip. If all numbers of all arrows are in [0, 1] they are normalised
            coordinates, otherwise pixels of the photo.
        size: (height, width) of the mask.
        photo_size: (height, width) of the photo; by default that of the mask.

    Raises:
        InputError: If the numbers have another form, or an arrow has no length.
    """
    parsed = [
        Arrow(path) for path in parse_paths(arrows, size, photo_size, wanted=WANTED, fewest=2)
    ]
    for arrow, drawn in zip(parsed, arrows, strict=True):
        if arrow.length == 0:
            raise InputError(f"an arrow must have a length, got {drawn}")
    return parsed


def apply_arrows(motion: Tensor, arrows: Sequence[Arrow], regions: Regions) -> Tensor:
    """Rotates the motion of each region that an arrow touches.

    A region is rotated as a whole to the direction of the arrow; near the arrow, the arrow's own
    direction replaces the predicted one. Several arrows are weighted by their distance. Predicted
    speeds are kept, multiplied by the arrow's length relative to the geometric mean of all arrows.
    Regions without arrows do not change.

    Args:
        motion: Prediction, ``[1, 2, H, W]``.
        arrows: Arrows in pixels of this map.
        regions: Regions of this map.

    Returns:
        ``[1, 2, H, W]``, continuous within each region.

    Raises:
        InputError: If an arrow touches no moving region.
    """
    if not arrows:
        return motion
    touched = [_touched_region(arrow, regions) for arrow in arrows]
    mean_length = math.exp(sum(math.log(arrow.length) for arrow in arrows) / len(arrows))
    field = as_complex(motion)
    result = field
    for number in sorted(set(touched)):
        region = regions.number == number
        own = [arrow for arrow, touches in zip(arrows, touched, strict=True) if touches == number]
        moving = fill_static(field, region)
        blended = _blend(moving, own, region & regions.moves, mean_length)
        result = torch.where(region, blended, result)
    return as_vectors(result).to(motion)


def _blend(motion: Tensor, arrows: Sequence[Arrow], region: Tensor, mean_length: float) -> Tensor:
    """Motion of a region by all of its arrows, weighted by distance, complex ``[H, W]``."""
    side = float(region.sum()) ** 0.5
    total, weights = torch.zeros_like(motion), torch.zeros_like(motion.real)
    for arrow in arrows:
        distance, direction = distance_and_direction(arrow.points, motion.real)
        near = torch.exp(-((distance / (REACH * side)) ** 2))
        turned = steer(motion, direction, region, near)
        along = motion.abs() * direction
        own = (arrow.length / mean_length) * torch.lerp(turned, along, near.to(motion.dtype))
        # The fourth power makes the other arrows' weights negligible at an arrow.
        weight = (distance**2 + (0.02 * side) ** 2) ** -2
        total = total + weight * own
        weights = weights + weight
    return total / weights


def _touched_region(arrow: Arrow, regions: Regions) -> int:
    """Region with the largest part of the arrow."""
    counts = dict.fromkeys(range(len(regions.kinds)), 0)
    for point in resample(arrow.points, max(2, 2 * math.ceil(arrow.length))):
        number = regions.at(point)
        if number is not None:
            counts[number] += 1
    best = max(counts, key=lambda number: counts[number])
    if counts[best] == 0:
        height, width = regions.number.shape
        start, end = arrow.points[0], arrow.points[-1]
        raise InputError(
            f"an arrow must touch a moving region, got one from ({start.real:.0f}, "
            f"{start.imag:.0f}) to ({end.real:.0f}, {end.imag:.0f}) on a map of {width}x{height}"
        )
    return best
