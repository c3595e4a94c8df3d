"""Hint files: arrows, anchors, text and speeds for a photo's motion, as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from stylecinegan.errors import InputError
from stylecinegan.motion.controls.anchors import ANCHOR_RADIUS
from stylecinegan.motion.controls.anchors import WANTED as ANCHORS_WANTED
from stylecinegan.motion.controls.arrows import WANTED as ARROWS_WANTED
from stylecinegan.motion.controls.arrows import parse_arrows
from stylecinegan.motion.controls.paths import parse_paths
from stylecinegan.motion.controls.speeds import parse_speeds
from stylecinegan.motion.controls.text import parse_text

VERSION = 1


@dataclass(frozen=True)
class Hints:
    """Controls of a photo's motion, in normalised coordinates.

    Attributes:
        arrows: ``[[x0, y0], [x1, y1], …]`` each, from start to tip.
        anchors: Static points ``[x, y]`` and strokes ``[[x0, y0], [x1, y1], …]``.
        anchor_radius: Distance from an anchor to full motion, as a fraction of the longer side.
        text: Description such as "clouds drift left, waterfall falls".
        speed: Maximum displacement per frame, in pixels of a picture whose longer side is 512.
        speeds: Factors by region, ``{"sky": 0.5}``, or by a point in it, ``[x, y, factor]`` each.
    """

    arrows: Sequence[Any] = ()
    anchors: Sequence[Any] = ()
    anchor_radius: float = ANCHOR_RADIUS
    text: str = ""
    speed: float | None = 1.0
    speeds: Mapping[str, float] | Sequence[Sequence[float]] = ()

    def __post_init__(self) -> None:
        """Checks all values.

        Raises:
            InputError: If a hint is invalid.
        """
        unit = (1, 1)
        arrows = [arrow.points for arrow in parse_arrows(self.arrows, unit)]
        anchors = parse_paths(self.anchors, unit, wanted=ANCHORS_WANTED, fewest=1)
        _, places = parse_speeds(self.speeds, unit)
        points = [point for path in (*arrows, *anchors) for point in path]
        for point in [*points, *(place for place, _ in places)]:
            if not all(-1.0 <= share <= 2.0 for share in (point.real, point.imag)):
                raise InputError(
                    "hints must have normalised coordinates, in [0, 1], got "
                    f"({point.real:g}, {point.imag:g})"
                )
        if self.text.strip():
            parse_text(self.text)

    def controls(self) -> dict[str, Any]:
        """Keyword arguments of :meth:`stylecinegan.scene.Scene.motion`."""
        return {**_entries(self), "photo_size": (1, 1)}


def combine_hints(
    hints: Hints,
    photo_size: tuple[int, int],
    *,
    arrows: Sequence[Any] = (),
    anchors: Sequence[Any] = (),
    text: str = "",
) -> Hints:
    """Merges further controls into hints.

    Args:
        hints: The hints.
        photo_size: (height, width) that pixel coordinates refer to.
        arrows: Further arrows, in normalised coordinates or pixels.
        anchors: Further anchors, in normalised coordinates or pixels.
        text: Further text; it takes precedence over the hints' text.
    """
    unit = (1, 1)
    more_arrows = parse_paths(arrows, unit, photo_size, wanted=ARROWS_WANTED, fewest=2)
    more_anchors = parse_paths(anchors, unit, photo_size, wanted=ANCHORS_WANTED, fewest=1)
    return replace(
        hints,
        arrows=[*hints.arrows, *map(_as_points, more_arrows)],
        anchors=[*hints.anchors, *map(_as_points, more_anchors)],
        text=", ".join(part for part in (hints.text.strip(), text.strip()) if part),
    )


def _as_points(drawn: tuple[complex, ...]) -> list[list[float]]:
    return [[point.real, point.imag] for point in drawn]


def _entries(hints: Hints) -> dict[str, Any]:
    return {field.name: getattr(hints, field.name) for field in fields(hints)}


def write_hints(path: str | Path, hints: Hints) -> None:
    """Writes hints as JSON."""
    Path(path).write_text(format_hints(hints), encoding="utf-8")


def format_hints(hints: Hints) -> str:
    """Formats hints as JSON."""
    return json.dumps({"version": VERSION, **_entries(hints)}, indent=2) + "\n"


def read_hints(path: str | Path) -> Hints:
    """Reads a file that :func:`write_hints` or the browser app wrote.

    Raises:
        InputError: If the file does not exist or contains no hints.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"hints must be a file of JSON, cannot read {path}: {error}") from error
    return parse_hints(text, str(path))


def parse_hints(text: str, name: str = "hints") -> Hints:
    """Parses hints from JSON.

    Args:
        text: JSON object with any of the attributes of :class:`Hints`.
        name: Name of the text in error messages.

    Raises:
        InputError: If it contains anything else.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} must hold JSON, got {text[:40]!r}: {error}") from error
    known = {field.name for field in fields(Hints)}
    if not isinstance(entries, dict):
        raise InputError(f"{name} must hold an object with {', '.join(sorted(known))}")
    version = entries.pop("version", VERSION)
    if version != VERSION:
        raise InputError(f"{name} must be of version {VERSION}, got {version}: save it again")
    if unknown := sorted(set(entries) - known):
        raise InputError(f"{name} may hold {', '.join(sorted(known))}, got {unknown[0]}")
    try:
        _check_types(entries)
        return Hints(**entries)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _check_types(entries: Mapping[str, Any]) -> None:
    wanted = {"arrows": list, "anchors": list, "text": str, "speeds": (list, dict)}
    for key, kind in wanted.items():
        if key in entries and not isinstance(entries[key], kind):
            raise InputError(f"{key} must be a list, an object or a text, got {entries[key]!r}")
    for key in ("anchor_radius", "speed"):
        value = entries.get(key, 1.0)
        if key == "speed" and value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InputError(f"{key} must be a number, got {value!r}")
        if not 0.0 <= value < math.inf:
            raise InputError(f"{key} must be at least 0, got {value}")
