import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylecinegan.checkpoints.restricted_pickles import DAMAGED
from stylecinegan.errors import InputError
from stylecinegan.io.decoding import MAX_PIXELS
from stylecinegan.io.motion_pth import read_motion_pth
from stylecinegan.io.paths import (
    MAX_FILE_BYTES,
    PathLike,
    existing_file,
    replacing,
    reporting_write_errors,
)

# The first float32 of a Middlebury .flo file; its bytes are the text "PIEH".
_FLO_MAGIC = 202021.25
# Larger components mark a pixel of unknown flow.
_FLO_UNKNOWN = 1e9

# NumPy parses the header of an array as a Python literal.
_DAMAGED = (*DAMAGED, SyntaxError, tokenize.TokenError, zlib.error)

_SUFFIXES = (".npy", ".flo")


def read_motion(path: PathLike) -> Tensor:
    """Reads a motion field M: displacement per frame, (x right, y down), in pixels of its own map.

    The layout is ``[1, 2, H, W]``, ``[2, H, W]`` or ``[H, W, 2]``; if both of the last two fit, the
    first dimension is the channels.

    Args:
        path: ``.npy``, ``.npz`` (one array, or one named "motion"), Middlebury ``.flo``, or
            ``.pth`` of the Eulerian data or PyTorch.

    Returns:
        ``[1, 2, H, W]``, float32.

    Raises:
        InputError: If the file is missing or damaged, holds something else, more than 100 million
            vectors, or a value that is not finite.
    """
    file = existing_file(path, "a motion (.npy, .npz, .flo or .pth)")
    suffix = file.suffix.lower()
    if suffix == ".flo":
        array = _read_flo(path, file)
    elif suffix in (".npy", ".npz"):
        array = read_array(path, file, "motion")
    elif suffix in (".pth", ".pt"):
        array = read_motion_pth(path).numpy()
    else:
        raise InputError(
            f"cannot read {path}: wanted .npy, .npz, .flo or .pth, found '{file.suffix}'"
        )
    array = _channels_first(path, array)
    if array.size > 2 * MAX_PIXELS:
        raise InputError(
            f"cannot use {path}: wanted at most {MAX_PIXELS // 10**6} million vectors, found "
            f"{array.size // 2}"
        )
    with np.errstate(over="ignore"):  # overflow of float32 is counted below
        motion = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    num_bad = int((~motion.isfinite()).sum())
    if num_bad:
        raise InputError(
            f"cannot use {path}: wanted a motion of finite numbers, found {num_bad} of "
            f"{motion.numel()} values NaN, infinite or unknown"
        )
    return motion[None]


def read_array(path: PathLike, file: Path, wanted: str) -> np.ndarray:
    """Reads the array of a NumPy file.

    Args:
        path: Path as the user wrote it, for messages.
        file: ``.npy`` or ``.npz``.
        wanted: Name of the array, if an ``.npz`` holds several.

    Raises:
        InputError: If there is no such array, or the file is damaged, too large or holds objects.
    """
    try:
        if zipfile.is_zipfile(file):
            _check_archive(path, file)
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            names = loaded.files
            if wanted not in names and len(names) != 1:
                raise InputError(
                    f"cannot read {path}: wanted one array or one named '{wanted}', found {names}"
                )
            return loaded[wanted if wanted in names else names[0]]
    except InputError:
        raise
    except _DAMAGED as error:
        # Object arrays are refused because they are pickles, which can run code.
        raise InputError(
            f"cannot read {path}: wanted NumPy numbers (no pickled objects), found a file that "
            f"is damaged or something else ({str(error).splitlines()[0] if str(error) else error})"
        ) from error


def _check_archive(path: PathLike, file: Path) -> None:
    """Refuses archives that decompress to more than :data:`MAX_FILE_BYTES`."""
    with zipfile.ZipFile(file) as archive:
        num_bytes = sum(entry.file_size for entry in archive.infolist())
    if num_bytes > MAX_FILE_BYTES:
        raise InputError(
            f"cannot read {path}: wanted arrays of at most {MAX_FILE_BYTES >> 20} MiB, found "
            f"{num_bytes >> 20} MiB"
        )


def _read_flo(path: PathLike, file: Path) -> np.ndarray:
    data = file.read_bytes()
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != _FLO_MAGIC:
        raise InputError(f"cannot read {path}: wanted a Middlebury .flo, found other data")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, offset=4))
    if width < 1 or height < 1 or len(data) - 12 != 8 * width * height:
        raise InputError(
            f"cannot read {path}: wanted {width}x{height} vectors of 8 bytes as its header says, "
            f"found {len(data) - 12} bytes"
        )
    motion = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2).astype(np.float32)
    motion[np.abs(motion) > _FLO_UNKNOWN] = np.nan
    return motion


def _channels_first(path: PathLike, array: np.ndarray) -> np.ndarray:
    shape = list(array.shape)
    if array.dtype.kind not in "fiu":
        raise InputError(f"cannot use {path}: wanted real numbers, found {array.dtype}")
    if array.ndim == 4 and shape[0] == 1:
        array = array[0]
        has_layout = shape[1] == 2
    else:
        has_layout = array.ndim == 3 and 2 in (shape[0], shape[2])
        if has_layout and shape[0] != 2:
            array = array.transpose(2, 0, 1)
    if not has_layout or array.size == 0:
        raise InputError(
            f"cannot use {path}: wanted a motion [1, 2, H, W], [2, H, W] or [H, W, 2], "
            f"found {shape}"
        )
    return array


def write_motion(path: PathLike, motion: Tensor) -> None:
    """Writes a motion; parent folders are created.

    Args:
        path: ``.npy``, stored as ``[1, 2, H, W]``, or Middlebury ``.flo``.
        motion: ``[1, 2, H, W]``.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If ``motion`` is not one motion.
    """
    if motion.ndim != 4 or motion.shape[:2] != (1, 2):
        raise ValueError(f"motion must be [1, 2, H, W], got {list(motion.shape)}")
    array = motion.detach().cpu().float().numpy()
    with (
        replacing(path, _SUFFIXES) as temporary,
        reporting_write_errors(path),
        temporary.open("wb") as stream,
    ):
        if temporary.suffix == ".npy":
            np.save(stream, array, allow_pickle=False)
            return
        _, _, height, width = array.shape
        stream.write(np.float32(_FLO_MAGIC).astype("<f4").tobytes())
        stream.write(np.array([width, height], "<i4").tobytes())
        stream.write(array[0].transpose(1, 2, 0).astype("<f4").tobytes())
