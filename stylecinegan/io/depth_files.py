import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io.decoding import MAX_PIXELS, decode, opened
from stylecinegan.io.motion_files import read_array
from stylecinegan.io.paths import PathLike, existing_file

_CHROMA = 24
"""Largest difference of two channels, of 255, in a grey pixel: JPEG tints greys."""


def read_depth(path: PathLike) -> Tensor:
    """Reads a relative inverse depth map: large (bright) is near, as estimation networks write it.

    Args:
        path: A grey picture of 8 or 16 bits, or ``.npy``, ``.npz`` (one array, or one named
            "depth") of ``[H, W]``, with or without dimensions of length 1; any size and range.

    Returns:
        ``[1, 1, H, W]``, float32, of the file's size, scaled to [0, 1].

    Raises:
        InputError: If the file is something else, in colour, not finite, or constant.
    """
    file = existing_file(path, "a depth (a grey picture, .npy or .npz)")
    if file.suffix.lower() in (".npy", ".npz"):
        values = _as_map(path, read_array(path, file, "depth"))
    else:
        values = _read_grey(path)
    least, most = values.min(), values.max()
    if not most > least:
        raise InputError(
            f"cannot use {path} as a depth: wanted what is near bright and what is far dark, found "
            f"{least:g} everywhere"
        )
    scaled = (values - least) / (most - least)
    return torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32))[None, None]


def _as_map(path: PathLike, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        raise InputError(f"cannot use {path}: wanted real numbers, found {array.dtype}")
    shape = list(array.shape)
    values = array.squeeze()
    if values.ndim != 2 or min(values.shape) < 2 or values.size > MAX_PIXELS:
        raise InputError(f"cannot use {path}: wanted a depth [H, W], found {shape}")
    num_bad = int((~np.isfinite(values)).sum())
    if num_bad:
        raise InputError(
            f"cannot use {path}: wanted a depth of finite numbers, found {num_bad} of "
            f"{values.size} NaN or infinite"
        )
    return values.astype(np.float64)


def _read_grey(path: PathLike) -> np.ndarray:
    with opened(path, "a depth") as image:
        pixels = decode(path, image, is_colour=False)[..., :3]
    largest = np.iinfo(pixels.dtype).max
    chroma = pixels.max(axis=-1) - pixels.min(axis=-1)
    share = float((chroma > _CHROMA * (largest // 255)).mean())
    if share > 0.01:
        raise InputError(
            f"cannot use {path} as a depth: wanted a grey picture whose bright places are near, "
            f"found colours in {100 * share:.0f} % of it"
        )
    return pixels.mean(axis=-1) / largest
