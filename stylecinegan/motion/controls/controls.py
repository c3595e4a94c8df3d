"""Controls of motion: direction, arrows, text, speeds, anchors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.motion.approach import approach_directions
from stylecinegan.motion.controls.anchors import ANCHOR_RADIUS, hold_anchors
from stylecinegan.motion.controls.arrows import apply_arrows, parse_arrows
from stylecinegan.motion.controls.speeds import parse_speeds, speeds_by_place
from stylecinegan.motion.controls.steering import as_complex, as_vectors, fill_static, steer
from stylecinegan.motion.controls.text import Instruction, parse_text
from stylecinegan.motion.falls import FALL_SPEED
from stylecinegan.motion.fountains import resized_fountain_velocity
from stylecinegan.motion.regions import Regions, find_regions, perspective
from stylecinegan.motion.vectors import median_speed
from stylecinegan.warping.displacement import resize_displacement

DIRECTIONS = {
    "right": (1.0, 0.0),
    "down-right": (1.0, 1.0),
    "down": (0.0, 1.0),
    "down-left": (-1.0, 1.0),
    "left": (-1.0, 0.0),
    "up-left": (-1.0, -1.0),
    "up": (0.0, -1.0),
    "up-right": (1.0, -1.0),
}
"""Directions (x, y), y down, by their words."""


def directed_motion(direction: str, mask: Tensor, class_mask: Tensor | None = None) -> Tensor:
    """Motion in one direction, slower towards the horizon.

    The horizon is the lower end of the sky and the upper end of water. Without classes, components
    of the mask that touch the upper edge of the picture count as sky, others as water.

    Args:
        direction: A word of :data:`DIRECTIONS`.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        class_mask: 0 static, 1 sky, 2 water, ``[1, 1, h, w]``, if known. Without it, a sky and a
            sea that meet at the horizon are one component.

    Returns:
        Motion ``[1, 2, H, W]``, (x, y), at most 1 pixel per frame, defined outside the mask too.

    Raises:
        InputError: If the word is unknown, or the mask is empty.
    """
    if direction not in DIRECTIONS:
        raise InputError(
            f"motion must be a file or one of {', '.join(DIRECTIONS)}, got {direction}"
        )
    x, y = DIRECTIONS[direction]
    length = math.hypot(x, y)
    speed = perspective(find_regions(mask, class_mask)).to(mask)
    return torch.cat([speed * (x / length), speed * (y / length)], dim=1)


def normalize_speed(motion: Tensor, speed: float) -> Tensor:
    """Scales a motion to a maximum displacement per frame.

    Args:
        motion: ``[1, 2, H, W]``, pixels per frame of this map.
        speed: Maximum displacement per frame, in pixels of a picture whose longer side is 512 (the
            convention of the released code).

    Returns:
        ``[1, 2, H, W]``; a zero motion is returned unchanged.
    """
    return motion * _speed_scale(motion, speed)


def _speed_scale(motion: Tensor, speed: float) -> Tensor | float:
    """Factor that makes ``speed`` the maximum displacement per frame; 1 for a zero motion."""
    fastest = motion.square().sum(dim=1).max().sqrt()
    wanted = speed * max(motion.shape[2:]) / 512.0
    return wanted / fastest if fastest > 0 else 1.0


def controlled_motion(
    prediction: Tensor,
    mask: Tensor,
    class_mask: Tensor | None = None,
    *,
    arrows: Sequence[Any] = (),
    anchors: Sequence[Any] | Tensor = (),
    anchor_radius: float = ANCHOR_RADIUS,
    text: str = "",
    speed: float | None = 1.0,
    speed_sky: float = 1.0,
    speed_water: float = 1.0,
    speeds: Mapping[str, float] | Sequence[Sequence[float]] = (),
    photo_size: tuple[int, int] | None = None,
) -> Tensor:
    """Applies the user's controls to a motion.

    Order: the text rotates its regions; arrows rotate the regions that they touch and so take
    precedence; the result is scaled to ``speed``; the speed factors of regions, including those of
    the text, and the anchors are applied, which the scaling would otherwise undo. With ``speed=1``
    and "slow" the maximum displacement is half a pixel per frame.

    Args:
        prediction: M, ``[1, 2, h, w]``, pixels per frame of that map.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        class_mask: 0 static, 1 sky, 2 water, 3 falling water, ``[1, 1, h, w]``; ``None`` if
            unknown, and then controls may not refer to sky or water.
        arrows: See :func:`~stylecinegan.motion.controls.arrows.parse_arrows`.
        anchors: See :func:`~stylecinegan.motion.controls.anchors.hold_anchors`.
        anchor_radius: Distance from an anchor to full motion, as a fraction of the longer side.
        text: See :func:`~stylecinegan.motion.controls.text.parse_text`; by default empty.
        speed: Maximum displacement per frame, in pixels of a picture whose longer side is 512;
            ``None`` keeps the motion's own.
        speed_sky: Factor of the sky's speed.
        speed_water: Factor of the water's speed, including falling water.
        speeds: Further factors, by region: see
            :func:`~stylecinegan.motion.controls.speeds.parse_speeds`.
        photo_size: (height, width) that pixel coordinates refer to; by default the mask's.

    Returns:
        ``[1, 2, H, W]``, pixels per frame at the mask's size, not multiplied by S, to be animated
        with ``speed=None``.

    Raises:
        InputError: If a control is invalid, or refers to a region that the mask does not have.
    """
    size = (mask.shape[2], mask.shape[3])
    motion = resize_displacement(prediction.to(mask), size)
    instructions = parse_text(text) if text.strip() else []
    regions = find_regions(mask, class_mask)
    for kind, factor in (("sky", speed_sky), ("water", speed_water)):
        if factor != 1.0:
            regions.check_known(kind, f"speed_{kind}")
    by_kind, by_place = parse_speeds(speeds, size, photo_size)
    motion = apply_text(motion, instructions, regions)
    motion = apply_arrows(motion, parse_arrows(arrows, size, photo_size), regions)
    if speed is not None:
        motion = motion * _speed_scale(motion * mask, speed)
    factors = speeds_by_place(
        regions,
        [
            ("sky", speed_sky),
            ("water", speed_water),
            *by_kind.items(),
            *((instruction.region, instruction.speed) for instruction in instructions),
        ],
        by_place,
    )
    motion = motion * factors.to(motion)
    return hold_anchors(motion, anchors, photo_size, radius=anchor_radius)


def apply_text(motion: Tensor, instructions: Sequence[Instruction], regions: Regions) -> Tensor:
    """Rotates regions to the directions of a text; its speed factors are applied later.

    Args:
        motion: ``[1, 2, H, W]``.
        instructions: In order, the last one wins.
        regions: Regions of this map.

    Returns:
        ``[1, 2, H, W]``.

    Raises:
        InputError: If a region is unknown or not there.
    """
    field = as_complex(motion)
    usual = median_speed(field.abs()[regions.moves])
    for instruction in instructions:
        if instruction.region is not None:
            regions.check_known(instruction.region, "text")
            _check_present(instruction.region, regions)
        if instruction.direction is None and not instruction.approach:
            continue
        for number in regions.named(instruction.region):
            region = regions.number == number
            field = fill_static(field, region)
            inside = region & regions.moves
            if instruction.is_fountain:
                turned = FALL_SPEED * usual * as_complex(resized_fountain_velocity(inside))
            elif instruction.direction is None:
                direction = as_complex(approach_directions(regions, number)) * instruction.approach
                turned = field.abs() * direction
            else:
                direction = complex(*instruction.direction) / math.hypot(*instruction.direction)
                turned = steer(field, direction, inside, torch.ones_like(field.real))
            field = torch.where(region, turned, field)
    return as_vectors(field).to(motion)


def _check_present(kind: str, regions: Regions) -> None:
    if not regions.named(kind):
        found = " and ".join(sorted(set(regions.kinds)))
        raise InputError(f"text refers to the {kind}, but the mask has only {found}")
