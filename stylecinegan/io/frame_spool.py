import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np


class FrameSpool:
    """Uncompressed frames on disk, for encoding them several times.

    Args:
        folder: Folder of the anonymous temporary file.
        frames: ``[H, W, C]``, uint8, all of one size.
    """

    def __init__(self, folder: Path, frames: Iterable[np.ndarray]) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._shape: tuple[int, ...] = ()
        self._num_frames = 0
        try:
            for pixels in frames:
                self._shape = pixels.shape
                self._file.write(np.ascontiguousarray(pixels).data)
                self._num_frames += 1
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields the frames from the first one on."""
        num_bytes = int(np.prod(self._shape))
        for frame in range(self._num_frames):
            self._file.seek(frame * num_bytes)
            yield np.frombuffer(self._file.read(num_bytes), np.uint8).reshape(self._shape)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        return self._shape[0], self._shape[1]

    def close(self) -> None:
        """Frees the disk space."""
        self._file.close()
