"""Schedules of the style strength β of Eq. 5 over the loop."""

import math
from typing import Literal, get_args

from stylecinegan.errors import InputError

Schedule = Literal["constant", "there_and_back", "hold"]

HOLD_RAMP = 0.25
"""Fraction of the loop in which ``hold`` rises, and in which it falls."""


def check_schedule(name: str) -> None:
    """Raises InputError if there is no schedule of this name."""
    if name not in get_args(Schedule):
        raise InputError(
            f"style_schedule must be one of {', '.join(get_args(Schedule))}, got {name}"
        )


def style_strength(progress: float, schedule: Schedule, maximum: float) -> float:
    """β at a moment of the loop, periodic in it.

    With the distance d = min(t, 1 - t) to the loop's nearer end, t = ``progress``:
    ``there_and_back`` is ``β_max (1 - cos(2πd)) / 2``; ``hold`` is
    ``β_max (1 - cos(π min(d / 0.25, 1))) / 2``.

    Args:
        progress: t / N in [0, 1].
        schedule: ``"constant"``: the maximum throughout. ``"there_and_back"``: from 0 to the
            maximum at half of the loop and back. ``"hold"``: rises and falls within a quarter of
            the loop each, the maximum in between.
        maximum: β_max; above 1 the style is extrapolated, below 0 in the opposite direction.
    """
    if schedule == "constant":
        return maximum
    progress %= 1.0  # frame N is frame 0, rounding included
    distance = min(progress, 1.0 - progress)  # to the nearer end of the loop
    phase = distance / HOLD_RAMP if schedule == "hold" else 2.0 * distance
    return maximum * 0.5 * (1.0 - math.cos(math.pi * min(phase, 1.0)))
