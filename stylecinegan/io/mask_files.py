import numpy as np
import torch
from torch import Tensor

from stylecinegan.io.decoding import decode_picture
from stylecinegan.io.image_files import write_pixels
from stylecinegan.io.labelme_files import read_labelme
from stylecinegan.io.opencv import load_opencv
from stylecinegan.io.paths import PathLike, expand_home
from stylecinegan.io.pixels import to_uint8


def read_mask(path: PathLike, size: tuple[int, int] | None = None) -> Tensor:
    """Reads a mask: white moves, black stays, and grey lies between.

    Where alpha is the only thing that varies, alpha is the mask. Otherwise it is the luminance,
    and transparent places count as black.

    Args:
        path: A picture of any kind and size, or ``.json`` of LabelMe, whose areas move
            (:class:`~stylecinegan.io.labelme_files.LabelMeDrawing`).
        size: ``(height, width)`` to resize to, by area where it shrinks and linearly where it
            grows; by default the size of the file.

    Returns:
        ``[1, 1, H, W]``, float32 in [0, 1]. It may be zero everywhere.

    Raises:
        InputError: If this is not a whole picture.
    """
    if expand_home(path).suffix.lower() == ".json":
        return read_labelme(path).mask(size)
    pixels = decode_picture(path, "a mask")
    mask = _mask_of(pixels / np.float32(np.iinfo(pixels.dtype).max))
    if size is not None:
        mask = _resize(mask, size)
    return torch.from_numpy(np.ascontiguousarray(mask)).clamp_(0, 1)[None, None]


def _mask_of(values: np.ndarray) -> np.ndarray:
    """Takes ``[H, W, 3]`` or ``[H, W, 4]`` in [0, 1] to ``[H, W]``."""
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    # Rec. 601, written so that a grey pixel keeps its exact value.
    luminance = green + 0.299 * (red - green) + 0.114 * (blue - green)
    if values.shape[-1] == 3:
        return luminance
    opacity = values[..., 3]
    is_one_colour = (values[..., :3] == values[0, 0, :3]).all()
    if is_one_colour and (opacity != opacity[0, 0]).any():
        return opacity
    return luminance * opacity


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
        mask: ``[1, 1, H, W]`` in [0, 1]; what leaves the range is clamped.

    Raises:
        InputError: If the file cannot be written.
    """
    write_pixels(path, to_uint8(mask * 2 - 1)[..., 0].numpy())
