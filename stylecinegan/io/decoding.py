import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from stylecinegan.errors import InputError
from stylecinegan.io.opencv import load_opencv
from stylecinegan.io.paths import PathLike, existing_file

# Decoded to float32 this is 1.2 GB; the largest phone and camera pictures stay below it.
MAX_PIXELS = 100_000_000

# Left out are formats that others decode for Pillow: PostScript, for one, is a program, and would
# be run.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "TGA", "JPEG2000", "AVIF")

# What Pillow's decoders raise on damaged files.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,  # NotImplementedError too
    struct.error,
    zlib.error,
    MemoryError,  # also of a damaged length
)

_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_EXIF_ORIENTATION = 274


def decode_picture(path: PathLike, wanted: str = "a picture") -> np.ndarray:
    """Decodes a still picture of any kind, turned upright.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP or anything else that Pillow opens; the first frame counts.
        wanted: What the picture is for, with its article, for the message.

    Returns:
        ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA, uint8, or uint16 where the file has 16 bits.

    Raises:
        InputError: If the file is missing, empty, damaged, too large or not a picture.
    """
    with opened(path, wanted) as image:
        return decode(path, image)


@contextmanager
def opened(path: PathLike, wanted: str) -> Iterator[Image.Image]:
    """Opens a picture, and says what is wrong with it if decoding it in the block fails.

    Args:
        path: The file.
        wanted: What the picture is for, with its article, for the message.

    Yields:
        The picture, of a size that may be decoded.

    Raises:
        InputError: As :func:`decode_picture`.
    """
    file = existing_file(path, wanted)
    with warnings.catch_warnings():
        # Warnings of odd metadata and of large pictures, whose size is checked below.
        warnings.simplefilter("ignore")
        try:
            with open_picture(file) as image:
                _check_size(path, image)
                yield image
        except InputError:
            raise
        except Image.DecompressionBombError as error:
            raise InputError(
                f"cannot read {path}: wanted at most {MAX_PIXELS // 10**6} megapixels, found more"
            ) from error
        except Image.UnidentifiedImageError as error:
            raise InputError(
                f"cannot read {path}: wanted {wanted}, found {_describe(file)}"
            ) from error
        except DECODER_ERRORS as error:
            raise InputError(
                f"cannot read {path}: the picture is damaged or cut off ({error})"
            ) from error


def decode(path: PathLike, image: Image.Image) -> np.ndarray:
    """Decodes what :func:`opened` opened; the result is that of :func:`decode_picture`."""
    is_deep = _has_16_bits(path, image)
    # A cut file has to fail here: OpenCV would return it with a grey bottom.
    image.load()
    return _decode_16_bits(path, image) if is_deep else _decode_8_bits(path, image)


def decode_indices(image: Image.Image) -> np.ndarray | None:
    """Decodes the palette's indices, upright, ``[H, W]``, if a picture has a palette."""
    if image.mode not in ("P", "PA"):
        return None
    if image.format != "TIFF":
        image = ImageOps.exif_transpose(image)
    return np.asarray(image if image.mode == "P" else image.getchannel(0))


def open_picture(source: Path | BinaryIO) -> Image.Image:
    """Opens a picture of the formats that Pillow decodes itself, without decoding it yet."""
    Image.init()
    return Image.open(source, formats=[name for name in _FORMATS if name in Image.OPEN])


def _check_size(path: PathLike, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(
            f"cannot read {path}: wanted at most {MAX_PIXELS // 10**6} megapixels, found "
            f"{image.width}x{image.height}"
        )


def _describe(file: Path) -> str:
    with file.open("rb") as stream:
        start = stream.read(512)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<svg")):
        return "a web page or another marked-up text"
    if start[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        return "HEIC, which has to be saved as JPEG or PNG first"
    if start.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):
        return "PostScript, which has to be saved as PNG first"
    if start[4:8] == b"ftyp":
        return "a video"
    return f"data of an unknown format, beginning with {start[:12]!r}"


def _has_16_bits(path: PathLike, image: Image.Image) -> bool:
    """Says whether OpenCV has to decode, since Pillow cuts 16-bit colour to 8 bits."""
    if image.format == "PNG":
        with existing_file(path, "a picture").open("rb") as stream:
            return stream.read(25)[24:] == b"\x10"  # the bit depth in the first chunk
    if image.format != "TIFF":
        return False
    tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    is_16_bit = set(tags.get(_TIFF_BITS, (1,))) == {16}
    if is_16_bit and set(tags.get(_TIFF_SAMPLE_FORMAT, (1,))) != {1}:
        raise InputError(f"cannot read {path}: wanted unsigned samples, found signed or float")
    # White is zero, black is zero, RGB: OpenCV would take CMYK for RGBA.
    return is_16_bit and tags.get(_TIFF_PHOTOMETRIC) in (0, 1, 2)


def _decode_8_bits(path: PathLike, image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        raise InputError(
            f"cannot read {path}: wanted 8 or 16 bits a sample in PNG or TIFF, found mode "
            f"{image.mode}, whose range is unknown"
        )
    if image.format != "TIFF":  # which Pillow turns upright while loading
        image = ImageOps.exif_transpose(image)
    if image.mode == "La":
        image = image.convert("LA")
    has_alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "RGBa")
    return np.array(image.convert("RGBA" if has_alpha else "RGB"))


def _decode_16_bits(path: PathLike, image: Image.Image) -> np.ndarray:
    cv2 = load_opencv()
    # Through memory, because OpenCV cannot open every Unicode path on every system.
    data = np.fromfile(existing_file(path, "a picture"), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise InputError(f"cannot read {path}: this kind of 16-bit {image.format} is not supported")
    if pixels.ndim == 2:
        pixels = pixels[..., None].repeat(3, axis=-1)
    elif pixels.shape[-1] == 4:
        pixels = pixels[..., [2, 1, 0, 3]]
    else:
        pixels = pixels[..., ::-1]
    if image.format == "TIFF":  # OpenCV turns TIFF upright itself, and nothing else
        tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
        is_inverted = tags.get(_TIFF_PHOTOMETRIC) == 0
        return np.ascontiguousarray(65535 - pixels if is_inverted else pixels)
    return np.ascontiguousarray(_turn_upright(pixels, image.getexif().get(_EXIF_ORIENTATION, 1)))


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation >= 5:  # the four that exchange the axes are mirrored, or turned, transposes
        pixels = pixels.swapaxes(0, 1)
        orientation = {5: 1, 6: 2, 7: 3, 8: 4}.get(orientation, 1)
    flipped_rows = slice(None, None, -1 if orientation in (3, 4) else 1)
    flipped_columns = slice(None, None, -1 if orientation in (2, 3) else 1)
    return pixels[flipped_rows, flipped_columns]
