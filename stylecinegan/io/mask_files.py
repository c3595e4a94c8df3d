import logging

import numpy as np
import torch
from torch import Tensor

from stylecinegan.io.decoding import decode, decode_indices, opened
from stylecinegan.io.image_files import write_pixels
from stylecinegan.io.labelme_files import read_labelme
from stylecinegan.io.mask_reading import read_mask_pixels
from stylecinegan.io.opencv import load_opencv
from stylecinegan.io.paths import PathLike, expand_home
from stylecinegan.io.pixels import to_uint8

logger = logging.getLogger(__name__)


def read_mask(path: PathLike, size: tuple[int, int] | None = None) -> Tensor:
    """Reads a mask: white moves, black is static, grey is in between.

    Other unambiguous encodings are accepted and reported in the log: 0 and 1 instead of 0 and 255,
    class numbers, palettes, a coloured brush on black or on transparency, alpha
    (:func:`~stylecinegan.io.mask_reading.read_mask_pixels`).

    Args:
        path: A picture of any kind and size, or a LabelMe ``.json``, whose areas move
            (:class:`~stylecinegan.io.labelme_files.LabelMeDrawing`).
        size: ``(height, width)`` to resize to, by area averaging where it shrinks and linearly
            where it grows; by default the size of the file.

    Returns:
        ``[1, 1, H, W]``, float32 in [0, 1]. It may be zero everywhere.

    Raises:
        InputError: If this is not a whole picture, or what moves in it is unclear.
    """
    if expand_home(path).suffix.lower() == ".json":
        return _read_drawing(path, size)
    with opened(path, "a mask") as image:
        pixels = decode(path, image, is_colour=False)
        indices = decode_indices(image)
    reading = read_mask_pixels(path, pixels, indices)
    if reading.note:
        logger.info("mask %s: %s", path, reading.note)
    mask = reading.mask
    if size is not None:
        mask = _resize(mask, size)
    return torch.from_numpy(np.ascontiguousarray(mask)).clamp_(0, 1)[None, None]


def _read_drawing(path: PathLike, size: tuple[int, int] | None) -> Tensor:
    drawing = read_labelme(path)
    if drawing.num_arrows:
        logger.info("mask %s: its areas move; arrows=%s takes its lines as well", path, path)
    return drawing.mask(size)


def _resize(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    cv2 = load_opencv()
    height, width = size
    # Axis by axis, because a mask may be too tall and too narrow at once.
    shrunken = min(width, mask.shape[1]), min(height, mask.shape[0])
    mask = cv2.resize(mask, shrunken, interpolation=cv2.INTER_AREA)
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)


def write_mask(path: PathLike, mask: Tensor) -> None:
    """Writes a mask as an 8-bit grey picture; parent folders are created.

    Args:
        path: ``.png``, or another suffix of :func:`stylecinegan.io.write_image`.
        mask: ``[1, 1, H, W]``; values outside [0, 1] are clamped.

    Raises:
        InputError: If the file cannot be written.
    """
    write_pixels(path, to_uint8(mask * 2 - 1)[..., 0].numpy())
