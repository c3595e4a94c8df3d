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
    """Reads a photo, upright as its EXIF data say.

    Transparent places show white. Grey, palette and CMYK become RGB, 16-bit values keep their
    precision. Colours are converted to sRGB by the embedded profile; a damaged one is ignored
    with a warning.

    Args:
        path: JPEG, PNG, WebP, HEIC, AVIF, JPEG XL (extra ``jxl``), TIFF or BMP of at most 100
            megapixels.
        keep_alpha: Whether a photo with transparent places keeps its alpha instead of showing
            white there.

    Returns:
        ``[1, 3, H, W]``, or with alpha ``[1, 4, H, W]``, float32 in [-1, 1]; colours are not
        multiplied by the alpha, and white where nothing is seen.

    Raises:
        InputError: If this is not a whole picture of such a kind.
    """
    pixels = decode_picture(path, "a photo")
    if pixels.shape[-1] == 4:
        colour, opacity = pixels[..., :3], pixels[..., 3:]
        if (opacity == np.iinfo(pixels.dtype).max).all():
            pixels = np.ascontiguousarray(colour)
        else:
            largest = np.float32(np.iinfo(pixels.dtype).max)
            opacity = opacity / largest
            if keep_alpha:
                seen = np.where(opacity > 0, colour / largest, np.float32(1))
                return _from_unit(torch.from_numpy(np.concatenate([seen, opacity], axis=-1)))
            flattened = torch.from_numpy(colour / largest * opacity + (1 - opacity))
            return _from_unit(flattened)
    if pixels.dtype == np.uint8:
        return from_uint8(pixels)
    return _from_unit(torch.from_numpy(pixels / np.float32(65535)))


def _from_unit(values: Tensor) -> Tensor:
    """Maps [0, 1], ``[H, W, C]``, to [-1, 1], ``[1, C, H, W]``."""
    return values.permute(2, 0, 1)[None].contiguous().mul_(2).sub_(1)


def write_image(path: PathLike, image: Tensor) -> None:
    """Writes an image; the suffix decides the format, and parent folders are created.

    Args:
        path: ``.png``, ``.jpg``, ``.webp``, ``.tif`` or ``.bmp``.
        image: ``[1, 3, H, W]`` in [-1, 1]; what leaves the range is clamped.

    Raises:
        InputError: If the file cannot be written.
    """
    pixels = to_uint8(image).numpy()
    write_pixels(path, pixels)


def write_pixels(path: PathLike, pixels: np.ndarray) -> None:
    """Writes ``[H, W]`` or ``[H, W, 3]``, uint8, under a temporary name first."""
    with (
        replacing(path, _SAVE_OPTIONS) as temporary,
        reporting_write_errors(path),
    ):
        Image.fromarray(pixels).save(temporary, **_SAVE_OPTIONS[output_path(path)[1]])
