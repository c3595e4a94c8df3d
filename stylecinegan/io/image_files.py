from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylecinegan.io.decoding import decode_picture
from stylecinegan.io.paths import PathLike, output_path, replacing, reporting_write_errors
from stylecinegan.io.pixels import from_uint8, to_uint8

_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"compress_level": 4},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".webp": {"quality": 95},
    ".tif": {"compression": "tiff_lzw"},
    ".tiff": {"compression": "tiff_lzw"},
    ".bmp": {},
}


def read_image(path: PathLike, *, keep_alpha: bool = False) -> Tensor:
    """Reads a photo, upright by its EXIF orientation, with its colours converted to sRGB.

    Transparent pixels are composited over white. Grey, palette and CMYK become RGB, 16-bit values
    keep their precision. A damaged colour profile is ignored with a warning.

    Args:
        path: JPEG, PNG, WebP, HEIC, AVIF, JPEG XL (extra ``jxl``), TIFF or BMP of at most 100
            megapixels.
        keep_alpha: Keeps the alpha of a photo with transparent pixels instead of compositing it.

    Returns:
        ``[1, 3, H, W]``, or with alpha ``[1, 4, H, W]``, float32 in [-1, 1]; colours are not
        premultiplied, and white where alpha is 0.

    Raises:
        InputError: If this is not a whole picture of such a kind.
    """
    pixels = decode_picture(path, "a photo")
    largest = np.iinfo(pixels.dtype).max
    if (pixels[..., 3:] == largest).all():  # opaque, or without alpha
        pixels = np.ascontiguousarray(pixels[..., :3])
        return from_uint8(pixels) if largest == 255 else _from_unit(pixels / np.float32(largest))
    values = pixels / np.float32(largest)
    colour, opacity = values[..., :3], values[..., 3:]
    if keep_alpha:
        colour = np.where(opacity > 0, colour, np.float32(1))
        return _from_unit(np.concatenate([colour, opacity], axis=-1))
    return _from_unit(colour * opacity + (1 - opacity))


def _from_unit(values: np.ndarray) -> Tensor:
    """Maps [0, 1], ``[H, W, C]``, to [-1, 1], ``[1, C, H, W]``."""
    return torch.from_numpy(values).permute(2, 0, 1)[None].contiguous().mul_(2).sub_(1)


def write_image(path: PathLike, image: Tensor) -> None:
    """Writes an image; the suffix decides the format, and parent folders are created.

    Args:
        path: ``.png``, ``.jpg``, ``.webp``, ``.tif`` or ``.bmp``.
        image: ``[1, 3, H, W]``; values outside [-1, 1] are clamped.

    Raises:
        InputError: If the file cannot be written.
    """
    write_pixels(path, to_uint8(image).numpy())


def write_pixels(path: PathLike, pixels: np.ndarray) -> None:
    """Writes ``[H, W]`` or ``[H, W, 3]``, uint8, under a temporary name first."""
    with (
        replacing(path, _SAVE_OPTIONS) as temporary,
        reporting_write_errors(path),
    ):
        Image.fromarray(pixels).save(temporary, **_SAVE_OPTIONS[output_path(path)[1]])
