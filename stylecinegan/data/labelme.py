"""Labels drawn as shapes in LabelMe."""

from typing import Any

import numpy as np

from stylecinegan.errors import InputError
from stylecinegan.io.labelme_files import parse_document
from stylecinegan.io.labelme_shapes import parse_shape
from stylecinegan.io.shapes import COVERS
from stylecinegan.mask.ensemble import CLASSES


def read_drawing(text: bytes, name: str, size: tuple[int, int]) -> np.ndarray:
    """Rasterises the shapes of a LabelMe file to classes.

    A pixel belongs to the last shape that covers its centre, or else is static. As in LabelMe,
    (0, 0) is the upper left corner of the picture.

    Args:
        text: Content of the file; a picture embedded by LabelMe is ignored.
        name: Name of the file, for messages.
        size: (height, width) of the photo.

    Returns:
        Class numbers, ``[H, W]``, uint8.

    Raises:
        InputError: If the file is damaged, belongs to a picture of another size, or holds a shape
            that covers no area or has no known class.
    """
    document = parse_document(text, f"label {name}")
    if not document["shapes"]:
        raise InputError(
            f"label {name} must hold shapes, got none (draw one of class static if nothing moves)"
        )
    _check_size(document, name, size)
    classes = np.zeros(size, np.uint8)
    for number, entry in enumerate(document["shapes"], start=1):
        what = f"shape {number} of label {name}"
        shape = parse_shape(entry, what)
        if shape.label not in CLASSES:
            raise InputError(f"{what} must be labelled {', '.join(CLASSES)}, got {shape.label!r}")
        if not shape.is_area:
            raise InputError(f"{what} must be a {', '.join(COVERS)}, got {shape.kind!r}")
        classes[shape.cover(size)] = CLASSES.index(shape.label)
    return classes


def _check_size(document: dict[str, Any], name: str, size: tuple[int, int]) -> None:
    drawn = (document.get("imageHeight"), document.get("imageWidth"))
    # LabelMe leaves them null where it did not know them.
    if drawn != (None, None) and drawn != size:
        raise InputError(
            f"label {name} must be {size[1]}x{size[0]} as its photo, got {drawn[1]}x{drawn[0]}"
        )
