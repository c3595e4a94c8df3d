"""Labels drawn as shapes in LabelMe, which saves them as JSON."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from stylecinegan.errors import InputError
from stylecinegan.mask.ensemble import CLASSES

LARGEST_COORDINATE = 1e6
"""Pixels; no picture is that large, and the arithmetic below cannot overflow."""


def read_drawing(text: bytes, name: str, size: tuple[int, int]) -> np.ndarray:
    """Turns the shapes of a LabelMe file into classes.

    A pixel belongs to a shape that covers its centre, where (0, 0) is the picture's upper left
    corner, as in LabelMe. Later shapes lie over earlier ones; what none covers is static.

    Args:
        text: Content of the file. The picture that LabelMe may have put into it is not looked at.
        name: Name of the file, for messages.
        size: (height, width) of the photo.

    Returns:
        uint8, ``[H, W]``.

    Raises:
        InputError: If the file is damaged, belongs to a picture of another size, or holds a shape
            that is no polygon, rectangle or circle of a known class.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"label {name} must be JSON of LabelMe, got damaged JSON: {error}"
        ) from error
    shapes = document.get("shapes") if isinstance(document, dict) else None
    if not isinstance(shapes, list):
        raise InputError(f"label {name} must be JSON of LabelMe, found no list of shapes in it")
    if not shapes:
        raise InputError(
            f"label {name} must hold shapes, got none (draw one of class static if nothing moves)"
        )
    _check_size(document, name, size)
    classes = np.zeros(size, np.uint8)
    for number, shape in enumerate(shapes, start=1):
        what = f"shape {number} of label {name}"
        class_number, cover, points = _parse(shape, what)
        classes[cover(points, size)] = class_number
    return classes


def _check_size(document: dict[str, Any], name: str, size: tuple[int, int]) -> None:
    drawn = (document.get("imageHeight"), document.get("imageWidth"))
    # LabelMe leaves them null where it did not know them.
    if drawn != (None, None) and drawn != size:
        raise InputError(
            f"label {name} must be {size[1]}x{size[0]} as its photo, got {drawn[1]}x{drawn[0]}"
        )


def _parse(shape: Any, what: str) -> tuple[int, "Cover", np.ndarray]:
    """Takes a shape apart: class, covering function, points ``[P, 2]``."""
    if not isinstance(shape, dict):
        raise InputError(f"{what} must be a JSON object, got {shape!r}")
    label = shape.get("label")
    if label not in CLASSES:
        raise InputError(f"{what} must be labelled {', '.join(CLASSES)}, got {label!r}")
    kind = shape.get("shape_type") or "polygon"  # missing from old files, which know no other
    if kind not in list(_COVERS):
        raise InputError(f"{what} must be a {', '.join(_COVERS)}, got {kind!r}")
    points = _parse_points(shape.get("points"), what)
    if kind == "polygon" and len(points) < 3:
        raise InputError(f"{what} must have at least 3 points as a polygon, got {len(points)}")
    if kind != "polygon" and len(points) != 2:
        raise InputError(f"{what} must have 2 points as a {kind}, got {len(points)}")
    return CLASSES.index(label), _COVERS[kind], points


def _parse_points(points: Any, what: str) -> np.ndarray:
    if not isinstance(points, list):
        raise InputError(f"{what} must have a list of points [x, y], got {points!r}")
    for point in points:
        is_pair = isinstance(point, list) and len(point) == 2
        # The comparison also refuses NaN.
        if not is_pair or not all(
            isinstance(value, int | float) and abs(value) < LARGEST_COORDINATE for value in point
        ):
            raise InputError(f"{what} must have points [x, y] in finite pixels, got {point!r}")
    return np.array(points, np.float64).reshape(-1, 2)


def cover_polygon(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Finds the pixels whose centres lie in a polygon, by the even-odd rule.

    Args:
        points: Corners (x, y), ``[P, 2]``, in pixels; the last is joined to the first.
        size: (height, width) of the picture.

    Returns:
        Boolean, ``[H, W]``.
    """
    height, width = size
    # How often the outline is crossed on the way from the left border into a pixel's centre.
    crossings = np.zeros((height, width + 1), np.int32)
    for (x, y), (next_x, next_y) in zip(points, np.roll(points, -1, axis=0), strict=True):
        top, bottom = sorted((y, next_y))
        rows = np.arange(max(0, math.ceil(top - 0.5)), min(height, math.ceil(bottom - 0.5)))
        if len(rows):
            at = x + (rows + 0.5 - y) * ((next_x - x) / (next_y - y))
            crossings[rows, np.clip(np.ceil(at - 0.5), 0, width).astype(int)] += 1
    return crossings.cumsum(axis=1)[:, :width] % 2 == 1


def _cover_rectangle(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    (left, top), (right, bottom) = points
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return cover_polygon(corners, size)


def _cover_circle(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    (x, y), (edge_x, edge_y) = points
    rows, columns = np.ogrid[: size[0], : size[1]]
    return np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= math.hypot(edge_x - x, edge_y - y)


Cover = Callable[[np.ndarray, tuple[int, int]], np.ndarray]

_COVERS: dict[str, Cover] = {
    "polygon": cover_polygon,
    "rectangle": _cover_rectangle,
    "circle": _cover_circle,
}
