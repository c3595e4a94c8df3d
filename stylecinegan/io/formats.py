"""Formats of still pictures."""

import importlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image

# Left out are formats that others decode for Pillow: PostScript, for one, is a program, and would
# be run.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "TGA", "JPEG2000", "AVIF")

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_JXL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL ")

_NUM_BYTES = 64
"""Of a file's start, which hold the brands of all cameras."""


def open_picture(source: Path | BinaryIO) -> Image.Image:
    """Opens a picture of a known format, without decoding it yet.

    Raises:
        UnidentifiedImageError: If it is of none.
    """
    Image.init()
    start = _read_start(source)
    known = (*_FORMATS, *(["HEIF"] if _is_heic(start) and _register_heic() else []))
    return Image.open(source, formats=[name for name in known if name in Image.OPEN])


def describe_file(file: Path) -> str:
    """Describes a file of no known picture format, for a message."""
    with file.open("rb") as stream:
        start = stream.read(512)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<svg")):
        return "a web page or another marked-up text"
    if _is_heic(start):
        if not _register_heic():
            return "HEIC, which 'pip install pillow-heif' makes readable"
        return "a damaged HEIC, or a video"
    if start[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF, which Pillow 11.3 and later read: run 'pip install -U pillow'"
    if start.startswith(_JXL_STARTS):
        return "JPEG XL, which has to be saved as JPEG or PNG first"
    if start.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):
        return "PostScript, which has to be saved as PNG first"
    if start.startswith(b"PF"):
        return "a PFM in colour, which has to be saved as 16-bit PNG first"
    if start[4:8] == b"ftyp":
        return "a video"
    return f"data of an unknown format, beginning with {start[:12]!r}"


def _read_start(source: Path | BinaryIO) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return stream.read(_NUM_BYTES)
    start = source.read(_NUM_BYTES)
    source.seek(0)
    return start


def _is_heic(start: bytes) -> bool:
    # AVIF may name mif1 as a compatible brand, and Pillow reads it itself.
    brands = BytesIO(start[8:])
    first = brands.read(4)
    return start[4:8] == b"ftyp" and first in _HEIC_BRANDS and b"avif" not in start[8:]


def _register_heic() -> bool:
    """Registers HEIC with Pillow on first use; returns whether it is supported."""
    if "HEIF" not in Image.OPEN:
        try:
            importlib.import_module("pillow_heif").register_heif_opener()
        except ImportError:
            return False
    return True
