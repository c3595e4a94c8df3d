"""Sky Time-lapse (Xiong et al., 2018): folders of frames without motion fields."""

import logging
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan import io
from stylecinegan.data.motion_pairs import pair_of
from stylecinegan.errors import InputError
from stylecinegan.motion.estimation.optical_flow import Camera, estimate_motion

logger = logging.getLogger(__name__)

FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


class SkyTimelapse(Dataset[dict[str, Tensor]]):
    """Clips of skies, whose motion is estimated on reading, which takes about a second per clip.

    ``stylecinegan prepare_data`` estimates it once and stores it.

    Args:
        dir: A split, ``VIDEO/CLIP/FRAME.jpg`` or ``CLIP/FRAME.jpg``; or an ``.npz`` with an array
            ``clips``, ``[N, T, H, W, 3]``, uint8.
        num_frames: Number of frames to use, from the start of the clip.
        camera: See :func:`~stylecinegan.motion.estimation.optical_flow.estimate_motion`.

    Raises:
        InputError: If there is no clip.
    """

    def __init__(self, dir: str | Path, *, num_frames: int = 32, camera: Camera = "static") -> None:
        self.dir = Path(dir)
        self.num_frames = num_frames
        self.camera: Camera = camera
        self._array = _read_clips(self.dir) if self.dir.suffix == ".npz" else None
        self._folders = [] if self._array is not None else find_clips(self.dir)
        self.names = (
            [f"{self.dir.stem}_{number:05d}" for number in range(len(self._array))]
            if self._array is not None
            else [folder.relative_to(self.dir).as_posix() for folder in self._folders]
        )

    def __len__(self) -> int:
        """Returns the number of clips."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Estimates the motion of a clip.

        Returns:
            ``image`` ``[3, H, W]`` in [-1, 1], ``motion`` ``[2, H, W]`` in pixels per frame,
            ``confidence`` ``[1, H, W]`` in [0, 1].

        Raises:
            InputError: If the camera moves, or the frames are damaged.
        """
        return pair_of(estimate_motion(self.frames(index), camera=self.camera))

    def frames(self, index: int) -> Iterator[Tensor]:
        """Reads the undamaged frames of a clip, ``[1, 3, H, W]`` in [-1, 1]."""
        if self._array is not None:
            return map(io.from_uint8, self._array[index, : self.num_frames])
        files = sorted(_frame_files(self._folders[index]), key=_frame_number)
        return islice(_readable(files), self.num_frames)


def find_clips(dir: Path) -> list[Path]:
    """Lists the folders of frames one or two levels below a folder; empty ones are left out.

    Raises:
        InputError: If there is none.
    """
    folders = sorted(folder for folder in [*dir.glob("*"), *dir.glob("*/*")] if folder.is_dir())
    clips = [folder for folder in folders if any(_frame_files(folder))]
    if not clips:
        raise InputError(f"wanted folders of frames, VIDEO/CLIP/FRAME.jpg, in {dir}, found none")
    return clips


def _frame_files(folder: Path) -> Iterator[Path]:
    return (
        file
        for file in folder.iterdir()
        if file.suffix.lower() in FRAME_SUFFIXES and not file.name.startswith(".")
    )


def _frame_number(file: Path) -> tuple[int, str]:
    """Sort key: the last number in a name, since names have no leading zeros, then the name."""
    numbers = re.findall(r"\d+", file.stem)
    return (int(numbers[-1]) if numbers else 0, file.name)


def _readable(files: list[Path]) -> Iterator[Tensor]:
    for file in files:
        try:
            image = io.read_image(file)
        except InputError as error:
            logger.warning("left out a frame: %s", error)
            continue
        yield image


def _read_clips(file: Path) -> np.ndarray:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            clips = arrays["clips"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read {file}: wanted an array 'clips' in an .npz") from error
    if clips.ndim != 5 or clips.shape[-1] != 3 or clips.dtype != np.uint8:
        raise InputError(
            f"cannot use {file}: wanted clips [N, T, H, W, 3] in uint8, found "
            f"{list(clips.shape)} in {clips.dtype}"
        )
    return clips
