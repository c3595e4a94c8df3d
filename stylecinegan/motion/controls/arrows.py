"""Arrows that a user draws on the photo to say where things move."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.motion.controls.steering import as_complex, as_vectors, fill_still, steer
from stylecinegan.motion.regions import Regions
from stylecinegan.warping.displacement import pixel_grid

REACH = 0.25
"""How far an arrow's own direction reaches, as a share of the side of its region."""


@dataclass(frozen=True)
class Arrow:
    """An arrow, in pixels of the mask."""

    start: complex
    end: complex

    @property
    def length(self) -> float:
        """Pixels."""
        return abs(self.end - self.start)

    @property
    def direction(self) -> complex:
        """X + iy, of length 1."""
        return (self.end - self.start) / self.length


def parse_arrows(
    arrows: Sequence[Sequence[float]],
    size: tuple[int, int],
    photo_size: tuple[int, int] | None = None,
) -> list[Arrow]:
    """Reads arrows from numbers.

    Args:
        arrows: ``[x0, y0, x1, y1]`` each, from start to tip. If all numbers of all arrows are in
            [0, 1] they are shares of width and height, otherwise pixels of the photo.
        size: (height, width) of the mask.
        photo_size: (height, width) of the photo; by default that of the mask.

    Raises:
        InputError: If they are no arrows, or one has no length.
    """
    try:
        numbers = [[float(value) for value in arrow] for arrow in arrows]
    except (TypeError, ValueError) as error:
        raise InputError(f"arrows must be [[x0,y0,x1,y1],...], got {arrows}") from error
    flat = [value for arrow in numbers for value in arrow]
    if any(len(arrow) != 4 for arrow in numbers) or not all(map(math.isfinite, flat)):
        raise InputError(f"arrows must be [[x0,y0,x1,y1],...], got {arrows}")
    is_relative = all(0.0 <= value <= 1.0 for value in flat)
    height, width = (1.0, 1.0) if is_relative else (photo_size or size)
    across, down = size[1] / width, size[0] / height
    parsed = []
    for x0, y0, x1, y1 in numbers:
        arrow = Arrow(complex(x0 * across, y0 * down), complex(x1 * across, y1 * down))
        if arrow.length == 0:
            raise InputError(f"an arrow must have a length, got {[x0, y0, x1, y1]}")
        parsed.append(arrow)
    return parsed


def apply_arrows(motion: Tensor, arrows: Sequence[Arrow], regions: Regions) -> Tensor:
    """Lets each arrow rule the region that it touches.

    A region is turned as a whole so that it follows the arrow at the arrow; the nearer the arrow,
    the less remains of the prediction's own bends. Several arrows share their region by their
    distance. What the prediction says of speed stays, but the lengths of arrows count against
    each other: twice as long an arrow is twice as fast. Regions without arrows stay as predicted.

    Args:
        motion: Prediction, ``[1, 2, H, W]``.
        arrows: In pixels of this map.
        regions: Of this map.

    Returns:
        ``[1, 2, H, W]``, without a jump inside any region.

    Raises:
        InputError: If an arrow touches nothing that moves.
    """
    if not arrows:
        return motion
    touched = [_touched_region(arrow, regions) for arrow in arrows]
    usual = math.exp(sum(math.log(arrow.length) for arrow in arrows) / len(arrows))
    field = as_complex(motion)
    result = field
    for number in sorted(set(touched)):
        region = regions.number == number
        own = [arrow for arrow, touches in zip(arrows, touched, strict=True) if touches == number]
        moving = fill_still(field, region)
        result = torch.where(region, _blend(moving, own, region & regions.moves, usual), result)
    return as_vectors(result).to(motion)


def _blend(motion: Tensor, arrows: Sequence[Arrow], region: Tensor, usual: float) -> Tensor:
    side = float(region.sum()) ** 0.5
    total, weights = torch.zeros_like(motion), torch.zeros_like(motion.real)
    for arrow in arrows:
        distance = _distance(arrow, motion)
        near = torch.exp(-((distance / (REACH * side)) ** 2))
        turned = steer(motion, arrow.direction, region, near)
        straight = motion.abs() * arrow.direction
        own = (arrow.length / usual) * torch.lerp(turned, straight, near.to(motion.dtype))
        # Falls with the fourth power, so that at an arrow the others hardly count.
        weight = (distance**2 + (0.02 * side) ** 2) ** -2
        total = total + weight * own
        weights = weights + weight
    return total / weights


def _distance(arrow: Arrow, motion: Tensor) -> Tensor:
    """Distance of each pixel to the arrow's line, ``[H, W]``."""
    height, width = motion.shape
    place = as_complex(pixel_grid(height, width, motion.real)) - arrow.start
    along = (place * arrow.direction.conjugate()).real.clamp(0.0, arrow.length)
    return (place - along * arrow.direction).abs()


def _touched_region(arrow: Arrow, regions: Regions) -> int:
    """The region that most of the arrow lies on."""
    height, width = regions.number.shape
    count = max(2, 2 * math.ceil(arrow.length))
    counts = dict.fromkeys(range(len(regions.kinds)), 0)
    for step in range(count + 1):
        point = arrow.start + (arrow.end - arrow.start) * step / count
        column, row = math.floor(point.real), math.floor(point.imag)
        # The last share, 1.0, is the picture's edge.
        column, row = column - (column == width), row - (row == height)
        if 0 <= column < width and 0 <= row < height and bool(regions.moves[row, column]):
            counts[int(regions.number[row, column])] += 1
    best = max(counts, key=lambda number: counts[number])
    if counts[best] == 0:
        start, end = arrow.start, arrow.end
        raise InputError(
            f"an arrow must touch something that moves, got one from ({start.real:.0f}, "
            f"{start.imag:.0f}) to ({end.real:.0f}, {end.imag:.0f}) on a map of {width}x{height}"
        )
    return best
