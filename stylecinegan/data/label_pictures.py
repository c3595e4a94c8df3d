"""Label pictures: the class of every pixel as grey value, palette index or colour."""

import numpy as np
from PIL import Image

from stylecinegan.errors import InputError
from stylecinegan.io.paths import PathLike, replacing, reporting_write_errors
from stylecinegan.mask.ensemble import CLASSES

# Orange, light blue and blue of Okabe and Ito's palette for colour blindness. None becomes a class
# number when converted to grey.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 114, 178))
"""RGB colours of the classes."""

_NO_CLASS = 255


def read_classes(picture: Image.Image, name: str) -> np.ndarray:
    """Reads a label picture: class numbers (grey values or palette indices) or class colours.

    A palette picture is read by colour if it uses one of :data:`COLOURS`, because paint programs
    reorder palettes, and by index otherwise. If no static pixel is painted, black and transparent
    pixels are static; otherwise they are errors.

    Args:
        picture: A PNG.
        name: Name of the file, for messages.

    Returns:
        Class numbers, ``[H, W]``, uint8.

    Raises:
        InputError: If it is a picture of another kind, or has a pixel without a class.
    """
    if picture.format == "JPEG":
        raise InputError(
            f"label {name} must be a PNG, got a JPEG under its name, which mixes the colours"
        )
    if picture.mode in ("RGB", "RGBA") or (picture.mode == "P" and _uses_colours(picture)):
        return _read_colours(picture, name)
    numbers = describe_classes()
    if picture.mode == "LA" and picture.getchannel("A").getextrema()[0] == 255:
        picture = picture.getchannel("L")
    if picture.mode not in ("P", "L", "1", "I;16"):
        raise InputError(
            f"label {name} must hold the class of each pixel (palette or grey: {numbers}), "
            f"got a picture of mode {picture.mode}"
        )
    classes = np.asarray(picture)
    if (wrong := classes >= len(CLASSES)).any():
        x, y = _first(wrong)
        is_mask = len(np.unique(classes)) == 2 and picture.mode != "P"
        hint = " (a mask of what moves does not say whether it is sky or water)" if is_mask else ""
        raise InputError(
            f"label {name} must hold {numbers} only, got {classes[y, x]} at pixel ({x}, {y}); "
            f"wrong pixels: {wrong.sum()}{hint}"
        )
    return classes.astype(np.uint8)


def write_label(path: PathLike, classes: np.ndarray) -> None:
    """Writes a label whose palette holds the classes' colours.

    Args:
        path: ``.png``; parent folders are created.
        classes: Class numbers, uint8, ``[H, W]``.

    Raises:
        InputError: If the file cannot be written.
    """
    picture = Image.fromarray(classes)
    picture.putpalette([value for colour in COLOURS for value in colour])
    with replacing(path, (".png",)) as temporary, reporting_write_errors(path):
        picture.save(temporary)


def describe_classes() -> str:
    """Lists the classes with their numbers: "0 static, 1 sky and 2 water"."""
    *others, last = (f"{number} {name}" for number, name in enumerate(CLASSES))
    return f"{', '.join(others)} and {last}"


def colour_code(colour: tuple[int, ...]) -> str:
    """Writes RGB as paint programs show it: "#E69F00"."""
    return "#{:02X}{:02X}{:02X}".format(*colour)


def _uses_colours(picture: Image.Image) -> bool:
    palette = picture.getpalette("RGB") or []
    indices = np.unique(np.asarray(picture)).tolist()
    return any(tuple(palette[3 * index : 3 * index + 3]) in COLOURS for index in indices)


def _read_colours(picture: Image.Image, name: str) -> np.ndarray:
    pixels = np.asarray(picture.convert("RGBA"))
    classes = np.full(pixels.shape[:2], _NO_CLASS, np.uint8)
    for number, colour in enumerate(COLOURS):
        classes[(pixels == (*colour, 255)).all(axis=2)] = number
    is_painted = classes != _NO_CLASS
    if is_painted.any() and not (classes == 0).any():
        is_black = (pixels == (0, 0, 0, 255)).all(axis=2)
        classes[is_black | (pixels[..., 3] == 0)] = 0
    if (wrong := classes == _NO_CLASS).any():
        x, y = _first(wrong)
        *colour, opacity = pixels[y, x].tolist()
        kind = "" if opacity == 255 else "transparent "
        wanted = ", ".join(map(" ".join, zip(map(colour_code, COLOURS), CLASSES, strict=True)))
        raise InputError(
            f"label {name} must hold the colours {wanted} only, got a picture of mode "
            f"{picture.mode} with {kind}{colour_code(tuple(colour))} at pixel ({x}, {y}); "
            f"wrong pixels: {wrong.sum()} (paint with hard edges, without anti-aliasing)"
        )
    return classes


def _first(wrong: np.ndarray) -> tuple[int, int]:
    """Coordinates (x, y) of the first true pixel, row by row."""
    y, x = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return int(x), int(y)
