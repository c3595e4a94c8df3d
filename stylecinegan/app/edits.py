"""Strokes and settings of a user: the JSON document that page and server exchange."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_args

from stylecinegan.app.settings import Limits
from stylecinegan.camera import AMOUNT, LARGEST_AMOUNT, MOVES
from stylecinegan.errors import InputError
from stylecinegan.mask.strokes import Stroke, StrokeKind

Point = tuple[float, float]

MAX_PATHS = 5000
"""Largest number of strokes, of arrows and of anchors."""

MAX_POINTS = 100_000
"""Largest number of points in all strokes, arrows and anchors together."""

REGIONS = ("auto", "sky", "water")
SCHEDULES = ("there_and_back", "hold", "constant")
FORMATS = ("mp4", "webm", "webp", "gif")

_TEXT = re.compile(r"[A-Za-z ,.;!'\-]{0,300}")


@dataclass(frozen=True)
class Edits:
    """A user's strokes and settings. Positions are relative to the photo's width and height.

    Attributes:
        strokes: Corrections of the mask, in the order of drawing.
        arrows: Points of each, from start to tip.
        anchors: Static points.
        region: Classes of the predicted mask: ``"auto"`` (both), ``"sky"`` or ``"water"``.
        text: Description of the motion.
        speed: Maximum displacement per frame, in pixels of a picture whose longer side is 512.
        speed_sky: Factor of the sky's speed.
        speed_water: Factor of the water's speed.
        has_style: Whether the session's style picture is used.
        style_strength: Strength of the style, β at its maximum (Eq. 7).
        style_schedule: Course of β over the loop.
        camera: Move of the camera, ``"none"``, ``"push"`` or ``"slide"``.
        camera_amount: Largest parallax of the move, as a share of the longer side.
    """

    strokes: tuple[Stroke, ...] = ()
    arrows: tuple[tuple[Point, ...], ...] = ()
    anchors: tuple[Point, ...] = ()
    region: str = "auto"
    text: str = ""
    speed: float = 1.0
    speed_sky: float = 1.0
    speed_water: float = 1.0
    has_style: bool = False
    style_strength: float = 1.0
    style_schedule: str = "there_and_back"
    camera: str = "none"
    camera_amount: float = AMOUNT

    def to_json(self) -> dict[str, Any]:
        """Converts to JSON values, the inverse of :func:`parse_edits`."""
        return asdict(self)


@dataclass(frozen=True)
class VideoSettings:
    """Settings of the exported video.

    Attributes:
        format: ``"mp4"``, ``"webm"``, ``"webp"`` or ``"gif"``.
        num_frames: Length of the loop.
        fps: Frames per second.
        size: Longer side, ``None`` for the photo's.
    """

    format: str = "mp4"
    num_frames: int = 120
    fps: int = 30
    size: int | None = None


def parse_edits(entries: Any) -> Edits:
    """Parses edits from JSON values; missing keys have their defaults.

    Raises:
        InputError: If anything is out of its range or unknown.
    """
    entries = _object(entries, Edits, "edits")
    values: dict[str, Any] = {}
    for name, least, most in (
        ("speed", 0.0, 20.0),
        ("speed_sky", 0.0, 20.0),
        ("speed_water", 0.0, 20.0),
        ("style_strength", -3.0, 3.0),
        ("camera_amount", 0.001, LARGEST_AMOUNT),
    ):
        if name in entries:
            values[name] = _number(entries[name], name, least, most)
    choices = (("region", REGIONS), ("style_schedule", SCHEDULES), ("camera", MOVES))
    for name, known in choices:
        if name in entries:
            values[name] = _choice(entries[name], name, known)
    if "has_style" in entries:
        values["has_style"] = parse_flag(entries["has_style"], "has_style")
    if "text" in entries:
        text = entries["text"]
        if not isinstance(text, str) or not _TEXT.fullmatch(text):
            raise InputError(
                "text must be plain words of the letters a to z, at most 300 characters"
            )
        values["text"] = text
    strokes = [_stroke(entry) for entry in _list(entries.get("strokes", []), "strokes")]
    arrows = [_points(entry, "an arrow", 2) for entry in _list(entries.get("arrows", []), "arrows")]
    for arrow in arrows:
        if all(point == arrow[0] for point in arrow):
            raise InputError("an arrow must have a length")
    anchors = _points(entries.get("anchors", []), "anchors", 0)
    count = sum(len(stroke.points) for stroke in strokes) + sum(map(len, arrows)) + len(anchors)
    if count > MAX_POINTS:
        raise InputError(f"edits may have {MAX_POINTS} points, got {count}")
    return Edits(strokes=tuple(strokes), arrows=tuple(arrows), anchors=anchors, **values)


def parse_video_settings(entries: Any, limits: Limits) -> VideoSettings:
    """Parses video settings from JSON values; missing keys have their defaults.

    Raises:
        InputError: If anything is out of its range or unknown.
    """
    entries = _object(entries, VideoSettings, "video")
    settings = VideoSettings()
    if "format" in entries:
        settings = replace(settings, format=_choice(entries["format"], "format", FORMATS))
    ranges = {"num_frames": (2, limits.render_frames), "fps": (1, 120)}
    ranges["size"] = (64, limits.render_side)
    for name, (least, most) in ranges.items():
        if entries.get(name) is not None:
            value = _number(entries[name], name, least, most)
            if value != int(value):
                raise InputError(f"{name} must be a whole number, got {value}")
            settings = replace(settings, **{name: int(value)})
    return settings


def _stroke(entry: Any) -> Stroke:
    entry = _object(entry, Stroke, "a stroke")
    return Stroke(
        kind=_choice(entry.get("kind"), "kind of a stroke", get_args(StrokeKind)),  # type: ignore[arg-type]
        points=_points(entry.get("points"), "a stroke", 1, least=-1.0, most=2.0),
        radius=_number(entry.get("radius"), "radius of a stroke", 1e-5, 0.5),
        softness=_number(entry.get("softness", 0.0), "softness of a stroke", 0.0, 1.0),
        follows_edges=parse_flag(entry.get("follows_edges", True), "follows_edges"),
    )


def _points(
    entry: Any, name: str, fewest: int, *, least: float = 0.0, most: float = 1.0
) -> tuple[Point, ...]:
    points = []
    for point in _list(entry, name, MAX_POINTS):
        if not isinstance(point, list) or len(point) != 2:
            raise InputError(f"{name} must hold points [x, y]")
        x, y = (_number(value, f"a place of {name}", least, most) for value in point)
        points.append((x, y))
    if len(points) < fewest:
        raise InputError(f"{name} must have at least {fewest} points, got {len(points)}")
    return tuple(points)


def _object(entries: Any, kind: type, name: str) -> Mapping[str, Any]:
    known = [field.name for field in fields(kind)]
    if not isinstance(entries, dict):
        raise InputError(f"{name} must be an object with {', '.join(known)}")
    if unknown := sorted(set(entries) - set(known)):
        raise InputError(f"{name} may hold {', '.join(known)}, got {unknown[0][:40]!r}")
    return entries


def _list(entry: Any, name: str, most: int = MAX_PATHS) -> list[Any]:
    if not isinstance(entry, list) or len(entry) > most:
        raise InputError(f"{name} must be a list of at most {most}")
    return entry


def _number(value: Any, name: str, least: float, most: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:  # a NaN is not between them
        raise InputError(f"{name} must be a number from {least:g} to {most:g}, got {value!r:.40}")
    return float(value)


def _choice(value: Any, name: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}, got {value!r:.40}")
    return value


def parse_flag(value: Any, name: str) -> bool:
    """Reads true or false.

    Raises:
        InputError: If it is neither.
    """
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, got {value!r:.40}")
    return value
