"""Formats of still pictures."""

import importlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from stylecinegan.io.jxl_header import CODESTREAM, CONTAINER, read_jxl_size

# Decoded to float32 this is 1.2 GB; the largest phone and camera pictures stay below it.
MAX_PIXELS = 100_000_000

# Formats that Pillow hands to other programs are left out: PostScript, for one, would be executed.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "TGA", "JPEG2000", "AVIF")

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_NUM_BYTES = 64
"""Bytes read from a file's start: enough for the HEIF brands that cameras write."""


def open_picture(source: Path | BinaryIO) -> Image.Image:
    """Opens a picture of a known format, without decoding it yet.

    Raises:
        UnidentifiedImageError: If its format is not a known one.
        DecompressionBombError: If it is a JPEG XL, which is decoded on opening, of more than
            ``MAX_PIXELS`` pixels.
    """
    Image.init()
    start = _read_start(source)
    known: list[str] = list(_FORMATS)
    if _is_heic(start) and _register_heic():
        known.append("HEIF")
    if _is_jxl(start) and _register_jxl():
        return _open_jxl(source)
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
    if _is_jxl(start):
        if not _register_jxl():
            return "JPEG XL, which 'pip install stylecinegan[jxl]' makes readable"
        return "a damaged JPEG XL"
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
    # AVIF may have the major brand mif1 as well; Pillow reads it without the plug-in.
    is_heif = start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS
    return is_heif and b"avif" not in start[8:]


def _is_jxl(start: bytes) -> bool:
    return start.startswith((CODESTREAM, CONTAINER))


def _register_heic() -> bool:
    """Registers HEIC with Pillow on first use; returns whether it is supported."""
    if "HEIF" not in Image.OPEN:
        try:
            importlib.import_module("pillow_heif").register_heif_opener()
        except ImportError:
            return False
    return True


def _register_jxl() -> bool:
    """Registers JPEG XL by the optional package pillow_jxl; returns whether it is supported."""
    try:
        importlib.import_module("pillow_jxl")
    except ImportError:
        return False
    return "JXL" in Image.OPEN


def _open_jxl(source: Path | BinaryIO) -> Image.Image:
    """Opens a JPEG XL; opening decodes it, so the size in its header is checked first."""
    stream = BytesIO(source.read_bytes()) if isinstance(source, Path) else source
    try:
        width, height = read_jxl_size(stream)
        if width * height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{width}x{height}")
        return Image.open(stream, formats=["JXL"])
    except (ValueError, RuntimeError, OSError) as error:
        raise Image.UnidentifiedImageError(str(error)) from error
