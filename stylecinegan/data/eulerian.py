"""The Eulerian motion data of Holynski et al. (2021), which the paper trains motion on."""

import io as byte_streams
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan import io
from stylecinegan.errors import InputError
from stylecinegan.io.paths import PathLike, existing_file

LZ4_MAGIC = b"\x04\x22\x4d\x18"

MAX_BYTES = 512 * 2**20
"""Of a decompressed file: 8 times a motion of 4K. A few compressed kilobytes could otherwise
expand to more than there is memory."""


class EulerianPairs(Dataset[dict[str, Tensor]]):
    """Reads ``SCENE_START_input.jpg`` and ``SCENE_START_motion.pth``.

    The set has motion for every pixel and no mask: confidence is 1 everywhere.

    Args:
        dir: Folder ``eulerian_data``, or one of its splits.
        split: ``"train"`` or ``"validation"``; ``None`` if ``dir`` is a split already.

    Raises:
        InputError: If there is no such pair.
    """

    def __init__(self, dir: str | Path, split: str | None = None) -> None:
        self.dir = Path(dir, split or "")
        self.names = sorted(
            file.name.removesuffix("_motion.pth")
            for file in self.dir.glob("*_motion.pth")
            if self.dir.joinpath(file.name.replace("_motion.pth", "_input.jpg")).exists()
        )
        if not self.names:
            raise InputError(f"wanted pairs *_input.jpg and *_motion.pth in {self.dir}, found none")

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Reads a pair.

        Returns:
            ``image`` ``[3, H, W]`` in [-1, 1], ``motion`` ``[2, H, W]`` in pixels per frame,
            ``confidence`` ``[1, H, W]``, all 1.

        Raises:
            InputError: If a file is damaged or the two do not fit.
        """
        base = self.dir / self.names[index]
        image = io.read_image(f"{base}_input.jpg")[0]
        motion = read_motion_pth(f"{base}_motion.pth")[0]
        if image.shape[1:] != motion.shape[1:]:
            raise InputError(
                f"motion must be {list(image.shape[1:])} as {base}_input.jpg, "
                f"got {list(motion.shape[1:])}"
            )
        return {"image": image, "motion": motion, "confidence": torch.ones_like(motion[:1])}

    def video(self, index: int) -> Path:
        """Returns where the clip of a pair is, 60 frames whose first is the image."""
        return self.dir / f"{self.names[index]}_gt.mp4"


def read_motion_pth(path: PathLike) -> Tensor:
    """Reads a motion from a pickle in an LZ4 frame, or from a PyTorch file, executing nothing.

    Args:
        path: A ``.pth`` file.

    Returns:
        ``[1, 2, H, W]``, float32, (x, y) in pixels per frame of this map.

    Raises:
        InputError: If it holds anything but one such array, or expands beyond bounds.
    """
    file = existing_file(path, "a motion (.pth)")
    data = file.read_bytes()
    try:
        if data.startswith(LZ4_MAGIC):
            array = _ArrayUnpickler(_decompress(path, data)).load()
            motion = array.decode() if isinstance(array, _Array) else array
        else:
            motion = torch.load(byte_streams.BytesIO(data), "cpu", weights_only=True)
        motion = torch.as_tensor(motion).float()
    except (pickle.UnpicklingError, *_DAMAGED) as error:
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


# What reading a damaged pickle raises.
_DAMAGED = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    RuntimeError,
    OverflowError,
    MemoryError,
)


def _decompress(path: PathLike, data: bytes) -> byte_streams.BytesIO:
    frame = _load_lz4()
    stream = frame.LZ4FrameDecompressor()
    decompressed = stream.decompress(data, max_length=MAX_BYTES)
    if not stream.eof:
        found = "more" if len(decompressed) == MAX_BYTES else "a file that is cut off"
        raise InputError(f"cannot read {path}: wanted at most {MAX_BYTES >> 20} MiB, found {found}")
    return byte_streams.BytesIO(decompressed)


def _load_lz4() -> ModuleType:
    try:
        import lz4.frame
    except ImportError as error:
        raise InputError(
            "the Eulerian data are compressed: run 'pip install lz4' to read them"
        ) from error
    return lz4.frame


class _Array:
    """Notes what a pickle says of an array, in place of NumPy, which is never called by it."""

    dtype: str
    shape: tuple[int, ...]
    is_column_major = False
    data: bytes

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, self.is_column_major, data = state
        # Protocols 0 to 2 have no bytes and spell them in Latin-1.
        self._fill(data.encode("latin1") if isinstance(data, str) else data, dtype, shape)

    def _fill(self, data: Any, dtype: Any, shape: Any) -> None:
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError("an array of something else than numbers")
        self.dtype, self.data = dtype.text(), bytes(data)
        self.shape = tuple(int(side) for side in shape)

    def decode(self) -> np.ndarray:
        """Builds the array; the bytes have to fit the shape."""
        order = "F" if self.is_column_major else "C"
        if len(self.data) != math.prod(self.shape) * np.dtype(self.dtype).itemsize:
            raise pickle.UnpicklingError("an array whose data do not fit its shape")
        flat = np.frombuffer(self.data, self.dtype)
        return flat.reshape(self.shape, order=order).astype(np.float32)

    @classmethod
    def from_buffer(cls, data: Any, dtype: Any, shape: Any, order: str) -> "_Array":
        """Stands for NumPy's function of protocol 5."""
        array = cls()
        array.is_column_major = order == "F"
        array._fill(data, dtype, shape)
        return array


class _Dtype:
    """Notes the name of a number type, ``f4`` for example."""

    def __init__(self, name: str, *_: object) -> None:
        self._name, self._order = name, "<"

    def __setstate__(self, state: Any) -> None:
        self._order = state[1] if state[1] in "<>" else "<"

    def text(self) -> str:
        """Spells it as NumPy does; only real numbers pass."""
        if self._name not in ("f2", "f4", "f8"):
            raise pickle.UnpicklingError(f"numbers of type {self._name}")
        return self._order + self._name


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encode(text: str, _: str = "latin1") -> bytes:
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the five names that a pickled array holds, and answers them with stand-ins."""

    _KNOWN: dict[tuple[str, str], Callable[..., Any]] = {  # noqa: RUF012
        ("multiarray", "_reconstruct"): _reconstruct,
        ("numeric", "_frombuffer"): _Array.from_buffer,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _encode,
    }

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Finds a stand-in; a file that wants anything else is refused before it can run."""
        # NumPy 1 says numpy.core, NumPy 2 says numpy._core.
        short = module.removeprefix("numpy.core.").removeprefix("numpy._core.")
        if (short, name) not in self._KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} in a pickle, which is not executed")
        return self._KNOWN[short, name]
