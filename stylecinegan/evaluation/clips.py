"""Real clips for evaluation: frame 0 is the input, the other frames are the ground truth."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from stylecinegan import io
from stylecinegan.data.motion_sources import VIDEO_SUFFIXES
from stylecinegan.data.pictures import read_names
from stylecinegan.data.sky_timelapse import SkyTimelapse
from stylecinegan.errors import InputError
from stylecinegan.inputs import check_number, resize_photo


class RealClips:
    """Real clips, sorted by name.

    Attributes:
        path: The folder or file.
        num_frames: Number of frames that are read of every clip.
        size: Longer side of the frames in pixels, ``None`` for their own.
        names: Names of the clips.

    Args:
        path: Folder of videos at any depth, or Sky Time-lapse: a split of it, or an ``.npz`` with
            an array ``clips``, ``[N, T, H, W, 3]``, uint8.
        num_frames: Number of frames to read of every clip, from the first.
        size: Longer side that frames are resized to, in pixels; by default their own.
        number: Number of clips to use, from the first; by default all.
        names: Names of the clips to use; by default all.
        listed: Text file of the names of the clips to use, one per line; names that do not exist
            are ignored. By default all.

    Raises:
        InputError: If there are no clips, or fewer than ``number``, or one of ``names`` is missing,
            or a number is invalid.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        num_frames: int = 60,
        size: int | None = None,
        number: int | None = None,
        names: list[str] | None = None,
        listed: str | Path | None = None,
    ) -> None:
        check_number("num_frames", num_frames, least=1, is_whole=True)
        if number is not None:
            check_number("number", number, least=1, is_whole=True)
        self.path = Path(path).expanduser()
        self.num_frames = num_frames
        self.size = size
        self._videos = {} if self.path.suffix == ".npz" else _find_videos(self.path)
        self._folders = None
        if not self._videos:
            self._folders = SkyTimelapse(self.path, num_frames=num_frames, camera="static")
        found = list(self._folders.names if self._folders is not None else self._videos)
        if names is not None and (unknown := sorted(set(names) - set(found))):
            raise InputError(f"wanted the clips {', '.join(unknown)} in {path}, found no such")
        chosen = found if names is None else [name for name in found if name in names]
        if listed is not None:
            wanted = read_names(listed)
            chosen = [name for name in chosen if name in wanted]
            if not chosen:
                raise InputError(f"wanted clips of {listed} in {path}, found none")
        self.names = chosen[:number]
        if number is not None and len(self.names) < number:
            raise InputError(f"wanted {number} clips in {path}, found {len(self.names)}")

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.names)

    def read(self, name: str) -> Tensor:
        """Reads the frames of a clip.

        Args:
            name: One of :attr:`names`.

        Returns:
            ``[T, 3, H, W]`` in [-1, 1], T = ``num_frames``.

        Raises:
            InputError: If the clip has too few frames or is damaged.
        """
        frames = [resize_photo(frame, self.size) for frame in self._frames(name)]
        if len(frames) < self.num_frames:
            raise InputError(
                f"wanted {self.num_frames} frames of every clip, found {len(frames)} in {name}"
            )
        return torch.cat(frames)

    def _frames(self, name: str) -> Iterator[Tensor]:
        if self._folders is not None:
            return islice(self._folders.frames(self._folders.names.index(name)), self.num_frames)
        return io.read_video(self._videos[name], self.num_frames)


def _find_videos(folder: Path) -> dict[str, Path]:
    """Finds videos at any depth, by their path in the folder without the suffix.

    Raises:
        InputError: If two videos differ only in their suffix.
    """
    videos: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if file.suffix.lower() in VIDEO_SUFFIXES and not file.name.startswith("."):
            name = file.relative_to(folder).with_suffix("").as_posix()
            if name in videos:
                raise InputError(f"wanted one video of each name in {folder}, found two of {name}")
            videos[name] = file
    return videos
