"""How far the style has changed at each moment of the loop: the weight β of Eq. 5."""

import math
from typing import Literal, get_args

from stylecinegan.errors import InputError

Schedule = Literal["constant", "there_and_back", "hold"]

HOLD_RAMP = 0.25
"""Share of the loop in which ``hold`` rises, and in which it falls again."""


def check_schedule(name: str) -> None:
    """Raises InputError if there is no schedule of this name."""
    if name not in get_args(Schedule):
        raise InputError(
            f"style_schedule must be one of {', '.join(get_args(Schedule))}, got {name}"
        )


def style_strength(progress: float, schedule: Schedule, maximum: float) -> float:
    """β at one moment of the loop; after the whole loop it is what it was at the start.

    Args:
        progress: t / N in [0, 1].
        schedule: ``"constant"``: the maximum throughout. ``"there_and_back"``: from 0 to the
            maximum at half of the loop and back. ``"hold"``: likewise, within a quarter each, and
            the maximum in between. Both start and end without a jerk.
        maximum: Any number; above 1 the style is extrapolated, below 0 in the other direction.
    """
    if schedule == "constant":
        return maximum
    progress %= 1.0  # frame N is frame 0, rounding included
    way = min(progress, 1.0 - progress)  # as far as from the nearer end of the loop
    way = way / HOLD_RAMP if schedule == "hold" else 2.0 * way
    return maximum * 0.5 * (1.0 - math.cos(math.pi * min(way, 1.0)))
