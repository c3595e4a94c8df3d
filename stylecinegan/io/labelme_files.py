"""LabelMe's JSON files: moving areas, and lines as arrows."""

import base64
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io.formats import open_picture
from stylecinegan.io.labelme_shapes import DAMAGED, LARGEST_COORDINATE, LINES, Shape, parse_shape
from stylecinegan.io.paths import PathLike, existing_file

logger = logging.getLogger(__name__)

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
        """Shapes that are arrows."""
        return [shape for shape in self.shapes if shape.kind in LINES]

    def _scale(self, size: tuple[int, int]) -> tuple[float, float]:
        """Factors (x, y) from the drawing to a picture of (height, width)."""
        height, width = self.size or size
        return size[1] / width, size[0] / height

    def _moving_labels(self, areas: Sequence[Shape]) -> set[str]:
        """Labels of the areas that move; see :meth:`mask`."""
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
        """Kinds of the shapes, for messages."""
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
    except DAMAGED:
        return None
