"""The Eulerian motion data of Holynski et al. (2021), which the paper trains motion on."""

from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan import checkpoints, io
from stylecinegan.checkpoints.restricted_pickles import (
    ARRAYS,
    DAMAGED,
    Array,
    RestrictedUnpickler,
)
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
    file = existing_file(path, "a motion (.pth)", max_bytes=MAX_BYTES)
    try:
        with file.open("rb") as stream:
            is_compressed = stream.read(4) == LZ4_MAGIC
        if is_compressed:
            array = RestrictedUnpickler(_decompress(path, file.read_bytes()), ARRAYS).load()
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
