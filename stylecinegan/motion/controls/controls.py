"""What a user says of motion: a direction, arrows, a text, speeds."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.motion.controls.arrows import apply_arrows, parse_arrows
from stylecinegan.motion.controls.steering import as_complex, as_vectors, fill_still, steer
from stylecinegan.motion.controls.text import Instruction, parse_text
from stylecinegan.motion.regions import Regions, find_regions, perspective
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
"""Words for (x, y), y down."""


def directed_motion(direction: str, mask: Tensor, class_mask: Tensor | None = None) -> Tensor:
    """Moves the masked region in one direction, more slowly towards the horizon.

    Perspective shrinks far things and their motion. The horizon is the lower end of the sky and
    the upper end of water. Where classes are not known, a part of the mask that touches the upper
    edge of the picture is taken for sky, and any other for water.

    Args:
        direction: A word of :data:`DIRECTIONS`.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        class_mask: 0 static, 1 sky, 2 water, ``[1, 1, h, w]``, if it is known. Sky and sea that
            meet at the horizon are one part without it.

    Returns:
        Motion ``[1, 2, H, W]``, (x, y), fastest 1 pixel per frame, defined outside the mask too.

    Raises:
        InputError: If the word is not known, or nothing moves.
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
    """Scales a motion so that its fastest pixel moves ``speed`` pixels per frame at 512.

    Args:
        motion: ``[1, 2, H, W]``, pixels per frame of this map.
        speed: Pixels per frame on a picture whose longer side is 512, the released convention.

    Returns:
        ``[1, 2, H, W]``; a motion that is zero everywhere stays so.
    """
    return motion * _speed_scale(motion, speed)


def _speed_scale(motion: Tensor, speed: float) -> Tensor | float:
    fastest = motion.square().sum(dim=1).max().sqrt()
    wanted = speed * max(motion.shape[2:]) / 512.0
    return wanted / fastest if fastest > 0 else 1.0


def controlled_motion(
    prediction: Tensor,
    mask: Tensor,
    class_mask: Tensor | None = None,
    *,
    arrows: Sequence[Sequence[float]] = (),
    text: str = "",
    speed: float | None = 1.0,
    speed_sky: float = 1.0,
    speed_water: float = 1.0,
    photo_size: tuple[int, int] | None = None,
) -> Tensor:
    """Bends a motion to what the user says; all controls combine.

    First the text turns its regions, then arrows turn the regions that they touch, so that an
    arrow wins over a word. The result is scaled to ``speed``, and last the factors of single
    regions apply, those of the text included: they would be lost if the scaling came after them.
    With ``speed=1`` and "slow" the fastest pixel moves half a pixel.

    Args:
        prediction: M, ``[1, 2, h, w]``, pixels per frame of that map.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        class_mask: 0 static, 1 sky, 2 water, ``[1, 1, h, w]``, as the mask ensemble's vote;
            ``None`` where it is unknown, and then nothing may be said of sky or water.
        arrows: See :func:`~stylecinegan.motion.controls.arrows.parse_arrows`.
        text: See :func:`~stylecinegan.motion.controls.text.parse_text`; empty asks for nothing.
        speed: Pixels per frame of the fastest pixel at 512; ``None`` keeps the motion's own.
        speed_sky: Factor of the sky's speed.
        speed_water: Factor of the water's speed.
        photo_size: (height, width) that arrows in pixels refer to; by default the mask's.

    Returns:
        ``[1, 2, H, W]``, pixels per frame of the mask's map, not yet multiplied by S; it is to be
        animated with ``speed=None``.

    Raises:
        InputError: If a control makes no sense, or is about a region that is not there.
    """
    size = (mask.shape[2], mask.shape[3])
    motion = resize_displacement(prediction.to(mask), size)
    instructions = parse_text(text) if text.strip() else []
    regions = find_regions(mask, class_mask)
    for kind, factor in (("sky", speed_sky), ("water", speed_water)):
        if factor != 1.0:
            _check_known(kind, regions, f"speed_{kind}")
    motion = apply_text(motion, instructions, regions)
    motion = apply_arrows(motion, parse_arrows(arrows, size, photo_size), regions)
    if speed is not None:
        motion = motion * _speed_scale(motion * mask, speed)
    factors = _speed_factors(instructions, regions, {"sky": speed_sky, "water": speed_water})
    return motion * factors.to(motion)


def apply_text(motion: Tensor, instructions: Sequence[Instruction], regions: Regions) -> Tensor:
    """Turns regions to the directions of a text; speeds are left to the end.

    Args:
        motion: ``[1, 2, H, W]``.
        instructions: In order, the last one wins.
        regions: Of this map.

    Returns:
        ``[1, 2, H, W]``.

    Raises:
        InputError: If a region is unknown or not there.
    """
    field = as_complex(motion)
    for instruction in instructions:
        if instruction.region is not None:
            _check_known(instruction.region, regions, "text")
            _check_present(instruction.region, regions)
        if instruction.direction is None:
            continue
        direction = complex(*instruction.direction)
        direction /= abs(direction)
        for number in regions.of_kind(instruction.region):
            region = regions.number == number
            field = fill_still(field, region)
            inside = region & regions.moves
            turned = steer(field, direction, inside, torch.ones_like(field.real))
            field = torch.where(region, turned, field)
    return as_vectors(field).to(motion)


def _speed_factors(
    instructions: Sequence[Instruction], regions: Regions, by_kind: dict[str, float]
) -> Tensor:
    """Factor of the speed at each pixel, ``[1, 1, H, W]``."""
    factors = [by_kind.get(kind, 1.0) for kind in regions.kinds]
    for instruction in instructions:
        for number in regions.of_kind(instruction.region):
            factors[number] *= instruction.speed
    table = torch.tensor(factors, device=regions.number.device)
    return table[regions.number][None, None]


def _check_known(kind: str, regions: Regions, control: str) -> None:
    if "unknown" in regions.kinds:
        raise InputError(
            f"{control} speaks of the {kind}, but which part of the mask is {kind} is not known: "
            "say it of everything, or draw an arrow"
        )


def _check_present(kind: str, regions: Regions) -> None:
    if not regions.of_kind(kind):
        found = " and ".join(sorted(set(regions.kinds)))
        raise InputError(f"text speaks of the {kind}, but the mask holds only {found}")
