"""Schedules of the style strength β of Eq. 5 over the loop."""

import math
from typing import Literal, get_args

from stylecinegan.errors import InputError

Schedule = Literal["constant", "there_and_back", "hold"]

HOLD_RAMP = 0.25
"""Fraction of the loop over which ``hold`` rises, and over which it falls."""


def check_schedule(name: str) -> None:
    """Checks the name of a schedule.

    Raises:
        InputError: If there is no such schedule.
    """
    if name not in get_args(Schedule):
        raise InputError(
            f"style_schedule must be one of {', '.join(get_args(Schedule))}, got {name}"
        )


def style_strength(progress: float, schedule: Schedule, maximum: float) -> float:
    """Style strength β at a time of the loop, with the loop's period.

    With d = min(p, 1 - p) the distance of p = ``progress`` from the loop's nearer end,
    ``there_and_back`` is ``β_max (1 - cos(2πd)) / 2`` and ``hold`` is
    ``β_max (1 - cos(π min(d / 0.25, 1))) / 2``.

    Args:
        progress: t / N in [0, 1].
        schedule: ``"constant"`` is always the maximum, ``"there_and_back"`` rises from 0 to the
            maximum in the middle of the loop and falls again, ``"hold"`` rises and falls within a
            quarter of the loop each and is the maximum in between.
        maximum: β_max; above 1 the style is extrapolated, below 0 in the opposite direction.
    """
    if schedule == "constant":
        return maximum
    progress %= 1.0  # so that frame N equals frame 0 exactly
    distance = min(progress, 1.0 - progress)
    phase = distance / HOLD_RAMP if schedule == "hold" else 2.0 * distance
    return maximum * 0.5 * (1.0 - math.cos(math.pi * min(phase, 1.0)))
