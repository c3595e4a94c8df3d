"""Shapes of LabelMe's JSON files."""

import base64
import binascii
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from stylecinegan.errors import InputError
from stylecinegan.io.decoding import DECODER_ERRORS, MAX_PIXELS
from stylecinegan.io.formats import open_picture
from stylecinegan.io.shapes import COVERS

LARGEST_COORDINATE = 1e6
"""Pixels; no picture is that large, and the arithmetic of shapes cannot overflow."""

DAMAGED = (binascii.Error, Image.DecompressionBombError, *DECODER_ERRORS)
"""Exceptions of a damaged picture in base64."""

LINES = ("line", "linestrip")
"""LabelMe's names of the shapes that are arrows."""

_TURNED = ("oriented_rectangle", "rotation", "quadrilateral")
"""Four corners, by the names of LabelMe 6 and of X-AnyLabeling."""


@dataclass(frozen=True)
class Shape:
    """A shape of a drawing.

    Attributes:
        label: As in the file: text, unless the file is damaged.
        kind: A key of :data:`~stylecinegan.io.shapes.COVERS`, ``"mask"``, one of
            :data:`LINES`, or ``"point"``.
        points: (x, y), ``[P, 2]``, in pixels of the drawing; (0, 0) is the picture's upper left
            corner.
        raster: Pixels of a ``"mask"`` in the box of its two points, boolean ``[h, w]``.
    """

    label: Any
    kind: str
    points: np.ndarray
    raster: np.ndarray | None = None

    @property
    def is_area(self) -> bool:
        """Whether the shape covers pixels."""
        return self.kind == "mask" or self.kind in COVERS

    def cover(self, size: tuple[int, int], scale: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
        """Finds the pixels that an area covers.

        Args:
            size: (height, width) of the picture to cover.
            scale: Factors (x, y) from the drawing to that picture.

        Returns:
            Boolean, ``[H, W]``: the pixels whose centres lie in the shape.
        """
        if self.raster is None:
            return COVERS[self.kind](self.points * scale, size)
        left, top = self.points.min(axis=0).round()
        # Raster pixel under the centre of every pixel of the picture.
        rows = np.floor((np.arange(size[0]) + 0.5) / scale[1] - top).astype(int)
        columns = np.floor((np.arange(size[1]) + 0.5) / scale[0] - left).astype(int)
        height, width = self.raster.shape
        is_inside = np.outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
        return is_inside & self.raster[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]


def parse_shape(shape: Any, what: str) -> Shape:
    """Parses a shape.

    Args:
        shape: An entry of the list of shapes.
        what: Name of the shape, for messages.

    Raises:
        InputError: If LabelMe draws no such shape.
    """
    if not isinstance(shape, dict):
        raise InputError(f"{what} must be a JSON object, got {shape!r}")
    kind = shape.get("shape_type") or "polygon"  # old files have no types and only polygons
    if kind == "rectangle" and isinstance(shape.get("points"), list) and len(shape["points"]) == 4:
        kind = "polygon"  # as X-AnyLabeling writes it
    kind = "polygon" if kind in _TURNED else kind
    known = [*COVERS, "mask", *LINES, "point", "points"]
    if kind not in known:
        raise InputError(f"{what} must be a {', '.join(known)}, got {kind!r}")
    points = _parse_points(shape.get("points"), what)
    if kind == "polygon" and len(points) < 3:
        raise InputError(f"{what} must have at least 3 points as a polygon, got {len(points)}")
    if kind in ("rectangle", "circle", "mask", "line") and len(points) != 2:
        raise InputError(f"{what} must have 2 points as a {kind}, got {len(points)}")
    if kind == "linestrip" and len(points) < 2:
        raise InputError(f"{what} must have at least 2 points as a {kind}, got {len(points)}")
    raster = _parse_raster(shape.get("mask"), points, what) if kind == "mask" else None
    return Shape(shape.get("label"), kind, points, raster)


def _parse_points(points: Any, what: str) -> np.ndarray:
    if not isinstance(points, list):
        raise InputError(f"{what} must have a list of points [x, y], got {points!r}")
    for point in points:
        is_pair = isinstance(point, list) and len(point) == 2
        # NaN fails the comparison too.
        if not is_pair or not all(
            isinstance(value, int | float) and abs(value) < LARGEST_COORDINATE for value in point
        ):
            raise InputError(f"{what} must have points [x, y] in finite pixels, got {point!r}")
    return np.array(points, np.float64).reshape(-1, 2)


def _parse_raster(data: Any, points: np.ndarray, what: str) -> np.ndarray:
    """Decodes the pixels of a mask, whose two points are opposite corners of its box, included."""
    width, height = (np.ptp(points.round(), axis=0) + 1).astype(int).tolist()
    try:
        with open_picture(BytesIO(base64.b64decode(data, validate=True))) as picture:
            if picture.size == (width, height) and width * height <= MAX_PIXELS:
                return np.asarray(picture.convert("L")) > 0
            found = f"one of {picture.width}x{picture.height}"
    except DAMAGED:
        found = "something else"
    raise InputError(
        f"{what} must have a PNG in base64 of {width}x{height} as its mask, got {found}"
    )
