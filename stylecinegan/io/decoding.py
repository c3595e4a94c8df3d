import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from stylecinegan.errors import InputError
from stylecinegan.io.colour_profiles import (
    adobe_to_srgb,
    deep_to_srgb,
    is_adobe_rgb,
    to_srgb,
)
from stylecinegan.io.formats import MAX_PIXELS, describe_file, open_picture
from stylecinegan.io.jp2_header import read_jp2_depth
from stylecinegan.io.opencv import load_opencv
from stylecinegan.io.paths import PathLike, existing_file

# Errors of Pillow's decoders on damaged files.
PICTURE_ERRORS = (
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
)

# A damaged length also exhausts the memory.
DECODER_ERRORS = (*PICTURE_ERRORS, MemoryError)

_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_EXIF_ORIENTATION = 274


def decode_picture(path: PathLike, wanted: str = "a picture") -> np.ndarray:
    """Decodes a still picture, upright, with its colours converted to sRGB.

    Args:
        path: JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or another format that Pillow opens; of an
            animation the first frame. HDR gain maps are ignored.
        wanted: Purpose of the picture with its article, for the message.

    Returns:
        ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA, uint8, or uint16 where the file has 16 bits.

    Raises:
        InputError: If the file is missing, empty, damaged, too large or not a picture.
    """
    with opened(path, wanted) as image:
        return decode(path, image)


@contextmanager
def opened(path: PathLike, wanted: str) -> Iterator[Image.Image]:
    """Opens a picture; decoding errors within the block become an :class:`InputError`.

    Args:
        path: The file.
        wanted: Purpose of the picture with its article, for the message.

    Yields:
        The picture, of at most ``MAX_PIXELS`` pixels.

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
                f"cannot read {path}: wanted {wanted}, found {describe_file(file)}"
            ) from error
        except DECODER_ERRORS as error:
            reason = " ".join(str(error).split())  # libheif's messages end with a line break
            raise InputError(
                f"cannot read {path}: the picture is damaged or cut off ({reason})"
            ) from error


def decode(path: PathLike, image: Image.Image, *, is_colour: bool = True) -> np.ndarray:
    """Decodes a picture that :func:`opened` yielded.

    Args:
        path: Path of the file.
        image: The picture.
        is_colour: Whether the values are colours, to be converted by the embedded profile.

    Returns:
        As :func:`decode_picture`.
    """
    is_deep = _has_16_bits(path, image)
    # A cut file has to fail here: OpenCV would return it with a grey bottom.
    image.load()
    if is_deep:
        return _decode_16_bits(path, image, is_colour=is_colour)
    if image.mode.startswith(("I", "F")):
        pixels = _decode_numbers(image, str(path))
        profile = image.info.get("icc_profile") if is_colour else None
        return deep_to_srgb(pixels, str(path), profile)
    return decode_8_bits(image, str(path), is_colour=is_colour)


def decode_indices(image: Image.Image) -> np.ndarray | None:
    """Decodes the palette indices, upright, ``[H, W]``; ``None`` without a palette."""
    if image.mode not in ("P", "PA"):
        return None
    image = _upright(image)
    return np.asarray(image if image.mode == "P" else image.getchannel(0))


def _check_size(path: PathLike, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(
            f"cannot read {path}: wanted at most {MAX_PIXELS // 10**6} megapixels, found "
            f"{image.width}x{image.height}"
        )


def _has_16_bits(path: PathLike, image: Image.Image) -> bool:
    """Whether OpenCV has to decode, since Pillow reduces 16-bit colour to 8 bits."""
    if image.format == "PNG":
        with existing_file(path, "a picture").open("rb") as stream:
            return stream.read(25)[24:] == b"\x10"  # the bit depth in the first chunk
    if image.format == "JPEG2000":
        # Pillow rounds white up to 256, which is black in 8 bits.
        return (
            image.mode in ("RGB", "RGBA") and read_jp2_depth(existing_file(path, "a picture")) > 8
        )
    if image.format != "TIFF":
        return False
    tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    is_16_bit = set(tags.get(_TIFF_BITS, (1,))) == {16}
    if is_16_bit and set(tags.get(_TIFF_SAMPLE_FORMAT, (1,))) != {1}:
        raise InputError(f"cannot read {path}: wanted unsigned samples, found signed or float")
    # White is zero, black is zero, RGB: OpenCV would take CMYK for RGBA.
    return is_16_bit and tags.get(_TIFF_PHOTOMETRIC) in (0, 1, 2)


def decode_8_bits(image: Image.Image, name: str, *, is_colour: bool = True) -> np.ndarray:
    """Decodes an open picture to 8 bits, upright, in sRGB.

    Args:
        image: The picture.
        name: Name of the file, for messages.
        is_colour: Whether the values are colours, to be converted by the embedded profile.

    Returns:
        ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA, uint8.

    Raises:
        InputError: If the values are floating point outside [0, 1] or 32-bit integers, whose
            white is unknown.
    """
    if image.mode.startswith(("I", "F")):
        pixels = _decode_numbers(image, name)
        return (pixels // 257).astype(np.uint8)
    profile = image.info.get("icc_profile") if is_colour else None
    is_adobe = is_colour and is_adobe_rgb(image)
    image = _upright(image)
    if image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    has_alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA")
    opacity = None
    if has_alpha:
        with_opacity = image.convert("RGBA")
        opacity = with_opacity.getchannel("A")
        image = image.convert("L") if image.mode in ("L", "LA") else with_opacity.convert("RGB")
    elif image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    image = adobe_to_srgb(image) if is_adobe else to_srgb(image, name, profile)
    if opacity is not None:
        image.putalpha(opacity)
    return np.array(image)


def flatten(pixels: np.ndarray) -> np.ndarray:
    """Composites a picture over white.

    Args:
        pixels: ``[H, W, 3]`` or ``[H, W, 4]``, uint8.

    Returns:
        ``[H, W, 3]``, uint8.
    """
    if pixels.shape[-1] == 3:
        return pixels
    colour, opacity = pixels[..., :3].astype(np.uint16), pixels[..., 3:].astype(np.uint16)
    # Rounded; at most 255² + 127, which 16 bits hold.
    return ((colour * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _upright(image: Image.Image) -> Image.Image:
    # The decoders of these formats already apply the orientation, except for a JPEG that was
    # losslessly repacked as JPEG XL.
    turned = ("TIFF", "HEIF", "JXL")
    if image.format in turned and not getattr(image, "jpeg", False):
        return image
    return ImageOps.exif_transpose(image)


def _decode_numbers(image: Image.Image, name: str) -> np.ndarray:
    """Decodes grey values of more than 8 bits, ``[H, W, 3]``, uint16."""
    values = np.asarray(_upright(image))
    if image.mode == "F" and values.min() >= 0.0 and values.max() <= 1.0:  # NaN is neither
        values = np.rint(values * 65535)
    # Pillow scales PGM to 16 bits by the white level in its header.
    elif not (image.mode.startswith("I;16") or image.format == "PPM") or image.mode == "F":
        found = "32-bit integers" if image.mode == "I" else f"from {values.min()} to {values.max()}"
        raise InputError(
            f"cannot read {name}: wanted 8 or 16 bits a sample, or floating point in [0, 1], "
            f"found mode {image.mode}, {found}"
        )
    return values.astype(np.uint16)[..., None].repeat(3, axis=-1)


def _decode_16_bits(path: PathLike, image: Image.Image, *, is_colour: bool) -> np.ndarray:
    cv2 = load_opencv()
    # Through memory, because OpenCV cannot open every Unicode path on every system.
    data = np.fromfile(existing_file(path, "a picture"), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise InputError(f"cannot read {path}: this kind of 16-bit {image.format} is not supported")
    if image.format == "JPEG2000":
        white = 2 ** read_jp2_depth(existing_file(path, "a picture")) - 1
        pixels = np.rint(pixels * np.float32(65535 / white)).astype(np.uint16)
    if pixels.ndim == 2:
        pixels = pixels[..., None].repeat(3, axis=-1)
    elif pixels.shape[-1] == 4:
        pixels = pixels[..., [2, 1, 0, 3]]
    else:
        pixels = pixels[..., ::-1]
    if image.format == "TIFF":  # OpenCV turns TIFF upright itself, and nothing else
        tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
        if tags.get(_TIFF_PHOTOMETRIC) == 0:
            pixels = 65535 - pixels
    else:
        pixels = _turn_upright(pixels, image.getexif().get(_EXIF_ORIENTATION, 1))
    if is_colour:
        pixels = deep_to_srgb(pixels, str(path), image.info.get("icc_profile"))
    return np.ascontiguousarray(pixels)


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Applies an EXIF orientation, 1 to 8; others leave the picture as it is."""
    if 5 <= orientation <= 8:  # 1 to 4 after a transpose
        pixels = pixels.swapaxes(0, 1)
        orientation -= 4
    flipped_rows = slice(None, None, -1 if orientation in (3, 4) else 1)
    flipped_columns = slice(None, None, -1 if orientation in (2, 3) else 1)
    return pixels[flipped_rows, flipped_columns]
