"""Pictures of the app: checking and decoding uploads, resizing, encoding."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylecinegan import io
from stylecinegan.app.settings import Limits
from stylecinegan.errors import InputError
from stylecinegan.io.decoding import decode_picture, opened
from stylecinegan.transparency import lay_on_white, split_opacity

SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "GIF": ".gif",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "JXL": ".jxl",
    "JPEG2000": ".jp2",
}
"""File suffixes in session files by Pillow's format names."""


def check_picture(path: Path, name: str, limits: Limits) -> str:
    """Checks a picture's header before it is decoded.

    Args:
        path: The file.
        name: The user's name for it, for error messages.
        limits: Limits with the largest number of megapixels.

    Returns:
        File suffix of its format.

    Raises:
        InputError: If it is no picture or too large.
    """
    with called_in_errors(path, name), opened(path, "a photo") as picture:
        num_pixels, kind = picture.width * picture.height, picture.format
    if num_pixels > 1e6 * limits.megapixels:
        raise InputError(
            f"a photo may have {limits.megapixels:g} megapixels here, {name} has "
            f"{num_pixels / 1e6:.0f}"
        )
    return SUFFIXES.get(kind or "", ".img")


def decode(path: Path, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Decodes a picture, upright.

    Args:
        path: The file.
        name: The user's name for it, for error messages.

    Returns:
        Colours, ``[H, W, 3]``, over white, and opacity, ``[H, W]``, ``None`` without transparent
        pixels; uint8.

    Raises:
        InputError: If it is no whole picture.
    """
    with called_in_errors(path, name):
        pixels = decode_picture(path, "a photo")
        if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
            return pixels, None
        colours, opacity = read_on_white(path)
    if opacity is None:
        return io.to_uint8(colours).numpy(), None
    return io.to_uint8(colours).numpy(), (255.0 * opacity[0, 0]).round().byte().numpy()


def read_on_white(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """Reads a photo composited over white, and its opacity.

    Args:
        path: The file.

    Returns:
        Colours, ``[1, 3, H, W]`` in [-1, 1], and opacity, ``[1, 1, H, W]`` in [0, 1], ``None``
        without transparent pixels.

    Raises:
        InputError: As :func:`stylecinegan.io.read_image`.
    """
    photo, opacity = split_opacity(io.read_image(path, keep_alpha=True))
    if opacity is None:
        return photo, None
    return next(lay_on_white([photo], [opacity])), opacity


@contextmanager
def called_in_errors(path: Path, name: str) -> Iterator[None]:
    """Replaces a file's path by the user's name for it in the error messages of a block."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), name)) from None


def shrink(pixels: np.ndarray, side: int) -> np.ndarray:
    """Downsamples uint8 ``[H, W, 3]`` or ``[H, W]`` by area averaging; never enlarges."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1.0:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    cv2 = io.load_opencv()
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def resize_mask(mask: np.ndarray, like: Tensor) -> Tensor:
    """Resizes ``[h, w]``, uint8, to the size of a mask, ``[1, 1, H, W]`` in [0, 1]."""
    cv2 = io.load_opencv()
    height, width = like.shape[2:]
    shrinks = height * width < mask.size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(mask, (width, height), interpolation=how)
    return torch.from_numpy(resized.astype(np.float32) / 255.0)[None, None].to(like)


def encode_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """Encodes ``[H, W, 3]``, uint8, RGB, as JPEG."""
    cv2 = io.load_opencv()
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def encode_png(mask: np.ndarray) -> bytes:
    """Encodes ``[H, W]``, uint8, as PNG."""
    cv2 = io.load_opencv()
    _, data = cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 2])
    return data.tobytes()
