"""LabelMe's JSON files: moving areas, and lines as arrows."""

import base64
import binascii
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io.decoding import DECODER_ERRORS, MAX_PIXELS
from stylecinegan.io.formats import open_picture
from stylecinegan.io.paths import PathLike, existing_file
from stylecinegan.io.shapes import COVERS

logger = logging.getLogger(__name__)

LARGEST_COORDINATE = 1e6
"""Pixels; no picture is that large, and the arithmetic of shapes cannot overflow."""

MOVING_LABELS = frozenset(
    {"motion", "move", "moves", "moving", "mask", "fluid", "sky", "cloud", "clouds", "water"}
    | {"river", "lake", "sea", "ocean", "waterfall", "smoke"}
)
"""Labels of moving areas, in lower case."""

STATIC_LABELS = frozenset(
    {"static", "still", "stay", "stays", "land", "ground", "background", "_background_"}
    | {"__ignore__"}
)
"""Labels of static areas, in lower case."""

_DAMAGED = (binascii.Error, Image.DecompressionBombError, *DECODER_ERRORS)

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


@dataclass(frozen=True)
class LabelMeDrawing:
    """A LabelMe drawing of moving areas and arrows.

    Attributes:
        name: Name of the file, for messages.
        shapes: In the order in which they were drawn: later ones lie over earlier ones.
        size: (height, width) of the picture that was drawn on, if the file states it.
    """

    name: str
    shapes: tuple[Shape, ...]
    size: tuple[int, int] | None

    @property
    def num_arrows(self) -> int:
        """Number of lines."""
        return len(self._lines)

    def mask(self, size: tuple[int, int] | None = None) -> Tensor:
        """Rasterises the areas.

        Areas with :data:`MOVING_LABELS` move, those with :data:`STATIC_LABELS` are static. Other
        labels are allowed only if nothing has a moving label and they are all the same: they move.

        Args:
            size: (height, width) of the mask; by default the drawing's own.

        Returns:
            ``[1, 1, H, W]``, 0 or 1; 0 outside the areas.

        Raises:
            InputError: If there is no area, a label is ambiguous, or no size is known.
        """
        areas = [shape for shape in self.shapes if shape.is_area]
        if not areas:
            raise InputError(
                f"cannot use {self.name}: wanted polygons, rectangles or circles around what "
                f"moves, found {self._describe()}"
            )
        moves = self._moving_labels(areas)
        size = size or self.size
        if size is None:
            raise InputError(f"cannot use {self.name}: it does not say the size of its picture")
        mask = np.zeros(size, bool)
        for area in areas:
            mask[area.cover(size, self._scale(size))] = area.label in moves
        return torch.from_numpy(mask.astype(np.float32))[None, None]

    def arrows(self, size: tuple[int, int]) -> list[list[Any]]:
        """Reads the lines as arrows, from the first point to the last.

        Args:
            size: (height, width) of the photo.

        Returns:
            Each arrow in pixels of the photo: ``[x0, y0, x1, y1]``, or ``[[x, y], …]`` for a line
            of more than two points.

        Raises:
            InputError: If there is no line.
        """
        if not self._lines:
            raise InputError(
                f"cannot use {self.name}: wanted lines along which things move, found "
                f"{self._describe()}"
            )
        paths = [(line.points * self._scale(size)).tolist() for line in self._lines]
        return [[*path[0], *path[1]] if len(path) == 2 else path for path in paths]

    @property
    def _lines(self) -> list[Shape]:
        return [shape for shape in self.shapes if shape.kind in LINES]

    def _scale(self, size: tuple[int, int]) -> tuple[float, float]:
        height, width = self.size or size
        return size[1] / width, size[0] / height

    def _moving_labels(self, areas: Sequence[Shape]) -> set[str]:
        labels = {str(area.label) for area in areas}
        static = {label for label in labels if label.strip().lower() in STATIC_LABELS}
        moving = {label for label in labels if label.strip().lower() in MOVING_LABELS}
        unknown = labels - static - moving
        # A single label for everything that was drawn can only mean motion.
        if len(unknown) == 1 and not moving:
            return unknown
        if unknown:
            raise InputError(
                f"cannot use {self.name}: wanted areas labelled 'motion' (they move) or 'static' "
                f"(they stay), found {', '.join(map(repr, sorted(unknown)))}"
            )
        return moving

    def _describe(self) -> str:
        kinds = sorted({shape.kind for shape in self.shapes})
        return f"only shapes of the kind {', '.join(kinds)}" if kinds else "no shapes"


def read_labelme(path: PathLike) -> LabelMeDrawing:
    """Reads a drawing: areas as the mask, lines as arrows.

    Args:
        path: LabelMe ``.json``. An embedded picture is read for its size only, and only if the
            file does not state the size.

    Returns:
        The drawing.

    Raises:
        InputError: If the file is damaged or not a LabelMe drawing.
    """
    file = existing_file(path, "a drawing (.json of LabelMe)")
    document = parse_document(file.read_bytes(), f"drawing {path}")
    shapes = [
        parse_shape(shape, f"shape {number} of {path}")
        for number, shape in enumerate(document["shapes"], start=1)
    ]
    for number, shape in enumerate(shapes, start=1):
        if not isinstance(shape.label, str):
            raise InputError(f"shape {number} of {path} must have a label, got {shape.label!r}")
    return LabelMeDrawing(str(path), tuple(shapes), _size_of(document, path))


def parse_document(text: bytes, name: str) -> dict[str, Any]:
    """Parses a LabelMe file; checks only that there is a list under ``"shapes"``.

    Args:
        text: Content of the file.
        name: Name of the file, for messages.

    Raises:
        InputError: If it is not LabelMe JSON.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} must be JSON of LabelMe, got damaged JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise InputError(f"{name} must be JSON of LabelMe, found no list of shapes in it")
    return document


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
    except _DAMAGED:
        found = "something else"
    raise InputError(
        f"{what} must have a PNG in base64 of {width}x{height} as its mask, got {found}"
    )


def _size_of(document: dict[str, Any], path: PathLike) -> tuple[int, int] | None:
    """Reads the (height, width) of the picture that was drawn on."""
    size = document.get("imageHeight"), document.get("imageWidth")
    if all(
        isinstance(side, int | float) and 0 < side < LARGEST_COORDINATE and side == int(side)
        for side in size
    ):
        return int(size[0]), int(size[1])  # pyright: ignore[reportArgumentType]
    if size != (None, None):
        raise InputError(f"cannot use {path}: wanted imageHeight and imageWidth, found {size}")
    # Old files embed the picture instead of its size.
    try:
        with open_picture(BytesIO(base64.b64decode(document.get("imageData") or b""))) as picture:
            return picture.height, picture.width
    except _DAMAGED:
        return None
