"""Motions of the Eulerian data: pickled arrays in LZ4 frames."""

import tempfile
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from stylecinegan import checkpoints
from stylecinegan.checkpoints.restricted_pickles import (
    ARRAYS,
    DAMAGED,
    Array,
    RestrictedUnpickler,
)
from stylecinegan.checkpoints.torch_files import LEGACY_MAGIC
from stylecinegan.errors import InputError
from stylecinegan.io.paths import PathLike, existing_file

LZ4_MAGIC = b"\x04\x22\x4d\x18"

MAX_BYTES = 512 * 2**20
"""Maximal bytes of a decompressed file, 8 times a 4K motion: a few compressed kilobytes could
otherwise expand to more than the memory."""


def read_motion_pth(path: PathLike) -> Tensor:
    """Reads a motion from a pickle or PyTorch file, LZ4-compressed or not, executing nothing.

    Args:
        path: A ``.pth`` file.

    Returns:
        ``[1, 2, H, W]``, float32, (x, y) in pixels per frame of this map.

    Raises:
        InputError: If it holds anything but one such array of finite numbers, or decompresses to
            more than 512 MiB.
    """
    file = existing_file(path, "a motion (.pth)", max_bytes=MAX_BYTES)
    try:
        with file.open("rb") as stream:
            is_compressed = stream.read(4) == LZ4_MAGIC
        if is_compressed:
            array = _read_decompressed(path, _decompress(path, file.read_bytes()))
        else:
            array = checkpoints.read_pickle(file)
        motion = torch.as_tensor(array.decode() if isinstance(array, Array) else array)
        checkpoints.check_tensors({"motion": motion}, file)
        motion = motion.float()
    except InputError:
        raise
    except DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"cannot read {path}: wanted one array of numbers, found {reason}"
        ) from error
    if motion.ndim == 3:
        motion = motion[None]
    if motion.ndim != 4 or motion.shape[:2] != (1, 2) or not motion.isfinite().all():
        raise InputError(
            f"cannot use {path}: wanted a motion [1, 2, H, W] of finite numbers, found "
            f"{list(motion.shape)}"
        )
    return motion


def _read_decompressed(path: PathLike, content: bytes) -> Any:
    if not content.startswith(b"PK") and LEGACY_MAGIC not in content[:32]:
        return RestrictedUnpickler(content, ARRAYS).load()
    # read_pickle checks archives on disk.
    with tempfile.NamedTemporaryFile(suffix=".pth") as stream:
        stream.write(content)
        stream.flush()
        try:
            return checkpoints.read_pickle(stream.name)
        except InputError as error:
            raise InputError(str(error).replace(stream.name, str(path))) from error


def _decompress(path: PathLike, data: bytes) -> bytes:
    frame = _load_lz4()
    stream = frame.LZ4FrameDecompressor()
    decompressed = stream.decompress(data, max_length=MAX_BYTES)
    if not stream.eof:
        found = "more" if len(decompressed) == MAX_BYTES else "a file that is cut off"
        raise InputError(f"cannot read {path}: wanted at most {MAX_BYTES >> 20} MiB, found {found}")
    return decompressed


def _load_lz4() -> ModuleType:
    try:
        import lz4.frame
    except ImportError as error:
        raise InputError(
            "the Eulerian data are compressed: run 'pip install lz4' to read them"
        ) from error
    return lz4.frame
