"""Hand-marked corrections of label maps."""

from pathlib import Path

import numpy as np

from stylecinegan.errors import InputError
from stylecinegan.io.labelme_files import parse_document, parse_shape

STATIC, SKY, WATER, FALLING = range(4)
UNKNOWN = 255
"""In a label: the pixel may be water or static."""

DO_NOT_TRAIN = 254
"""Class of pixels that an annotator cannot identify."""

NOT_MARKED = 253

MARKS = {
    "static": STATIC,
    "sky": SKY,
    "water": WATER,
    "falling water": FALLING,
    "unknown": DO_NOT_TRAIN,
}
"""Values of marks by their names in the drawings."""


def read_marks(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """Reads the marks of a photo, shapes of LabelMe that lie over its labels.

    Args:
        path: ``.json`` of LabelMe with areas named as in :data:`MARKS`; later ones lie over
            earlier ones. No shape means that the photo was looked at and has nothing to mark.
        size: (height, width) of the photo.

    Returns:
        uint8, ``[H, W]``: the mark of every pixel, or :data:`NOT_MARKED`.

    Raises:
        InputError: If the file is damaged or holds another shape.
    """
    document = parse_document(Path(path).read_bytes(), f"marks {path}")
    drawn = document.get("imageHeight") or size[0], document.get("imageWidth") or size[1]
    scale = size[1] / drawn[1], size[0] / drawn[0]
    marks = np.full(size, NOT_MARKED, np.uint8)
    for number, entry in enumerate(document["shapes"], start=1):
        what = f"shape {number} of {path}"
        shape = parse_shape(entry, what)
        if shape.label not in MARKS or not shape.is_area:
            raise InputError(
                f"{what} must be an area labelled {', '.join(MARKS)}, "
                f"got a {shape.kind} labelled {shape.label!r}"
            )
        marks[shape.cover(size, scale)] = MARKS[shape.label]
    return marks
