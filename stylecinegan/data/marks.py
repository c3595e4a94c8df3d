"""Hand-marked corrections of label maps."""

from pathlib import Path

import numpy as np

from stylecinegan.errors import InputError
from stylecinegan.io.labelme_files import parse_document
from stylecinegan.io.labelme_shapes import parse_shape

STATIC, SKY, WATER, FALLING = range(4)
UNKNOWN = 255
"""Class of pixels that are water or static, in photos without a label map."""

DO_NOT_TRAIN = 254
"""Class of pixels that an annotator cannot identify; their weight is 0."""

NOT_MARKED = 253
"""Value of pixels without a mark."""

MARKS = {
    "static": STATIC,
    "sky": SKY,
    "water": WATER,
    "falling water": FALLING,
    "unknown": DO_NOT_TRAIN,
}
"""Values of marks by their labels in LabelMe."""


def read_marks(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """Reads the hand-marked corrections of a photo's labels.

    Args:
        path: LabelMe ``.json`` of areas with labels of :data:`MARKS`; later ones override earlier
            ones. A file without shapes means that the labels are right.
        size: (height, width) of the photo.

    Returns:
        The mark of every pixel, or :data:`NOT_MARKED`, ``[H, W]``, uint8.

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
