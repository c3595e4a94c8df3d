"""Results of other implementations, read from files."""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from stylecinegan import StyleCineGAN, io
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.data.motion_sources import VIDEO_SUFFIXES
from stylecinegan.errors import InputError
from stylecinegan.inputs import resize_photo


class WrittenFrames:
    """Reads a method's results from disk, matched by the clip's name.

    Args:
        dir: Folder of ``NAME/*.png`` (lossless, preferred), ``NAME/*.jpg`` or videos such as
            ``NAME.mp4``, from frame 0.
    """

    def __init__(self, dir: str | Path) -> None:
        self.dir = Path(dir).expanduser()

    def __repr__(self) -> str:
        return f"WrittenFrames({str(self.dir)!r})"

    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Reads the frames, resized to the photo's size (see :class:`Baseline`).

        Raises:
            InputError: If the clip has no result there, or too few frames.
        """
        path = self._find(scene.name)
        size = (scene.photo.shape[2], scene.photo.shape[3])
        count = 0
        for frame in io.read_video(path, scene.num_frames):
            count += 1
            same_size = tuple(frame.shape[2:]) == size
            yield frame if same_size else resize_photo(frame, size)
        if count < scene.num_frames:
            raise InputError(f"wanted {scene.num_frames} frames in {path}, found {count}")

    def _find(self, name: str) -> Path:
        """The result of a clip: a folder of frames or a video."""
        base = self.dir / name
        videos = (base.with_name(base.name + suffix) for suffix in sorted(VIDEO_SUFFIXES))
        for path in (base, *videos):
            if path.exists():
                return path
        raise InputError(
            f"wanted a folder or a video named {name} in {self.dir}, found neither "
            "(a clip's result has the clip's name)"
        )
