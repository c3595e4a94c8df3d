"""Windows of real clips, for the training of video generators."""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan.data.pictures import read_held_out
from stylecinegan.data.sampler import picture_of
from stylecinegan.data.sky_timelapse import SkyTimelapse
from stylecinegan.errors import InputError


class ClipWindows(Dataset[dict[str, Tensor]]):
    """Square windows of Sky Time-lapse clips, as an infinite sequence.

    Every choice for sample ``c`` (clip, first frame, position, flip) is drawn from (seed, c), as in
    :class:`~stylecinegan.data.landscapes.Landscapes`.

    Args:
        dir: See :class:`~stylecinegan.data.sky_timelapse.SkyTimelapse`.
        side: Side of the frames, in pixels; a clip's shorter side is resized to it.
        num_frames: Frames of a window.
        stride: Frames of the clip from one frame of a window to the next.
        held_out: Text file of clips that are excluded from training, one name a line.
        seed: Seed of all choices.

    Raises:
        InputError: If no clip is left, or a number is too small.
    """

    def __init__(
        self,
        dir: str | Path,
        *,
        side: int = 64,
        num_frames: int = 8,
        stride: int = 2,
        held_out: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        if min(side, stride) < 1 or num_frames < 2:
            raise InputError(
                f"wanted windows of at least 2 frames, with side and stride of at least 1, got "
                f"num_frames={num_frames}, side={side}, stride={stride}"
            )
        self.clips = SkyTimelapse(dir)
        held = read_held_out(held_out)
        names = (name.replace("/", "_") for name in self.clips.names)
        self.indices = [index for index, name in enumerate(names) if name not in held]
        if not self.indices:
            raise InputError(f"wanted clips in {dir} that are not held out, found none")
        self.side = side
        self.num_frames = num_frames
        self.stride = stride
        self.seed = seed

    def __len__(self) -> int:
        """Returns the number of clips; the sequence of samples has no end."""
        return len(self.indices)

    def __getitem__(self, counter: int) -> dict[str, Tensor]:
        """Makes a sample.

        Args:
            counter: Index in the infinite sequence of samples, from 0.

        Returns:
            ``video``: ``[T, 3, S, S]`` in [-1, 1].

        Raises:
            InputError: If the clip has too few frames.
        """
        index = self.indices[picture_of(counter, len(self.indices), self.seed)]
        random = np.random.default_rng((self.seed, 2, counter))
        frames = list(self.clips.frames(index))
        span = (self.num_frames - 1) * self.stride + 1
        if len(frames) < span:
            name = self.clips.names[index]
            raise InputError(f"wanted clips of {span} frames, found {len(frames)} in {name}")
        start = int(random.integers(len(frames) - span + 1))
        window = torch.cat(list(islice(frames, start, start + span, self.stride)))
        video = self._cut(window, random)
        return {"video": video.flip(-1) if random.random() < 0.5 else video}

    def check_broken(self) -> None:
        """Does nothing: unusable clips raise when they are read."""

    def _cut(self, window: Tensor, random: np.random.Generator) -> Tensor:
        height, width = window.shape[2:]
        scale = self.side / min(height, width)
        size = (max(self.side, round(height * scale)), max(self.side, round(width * scale)))
        window = F.interpolate(window, size, mode="bilinear", antialias=True)
        top, left = (int(random.integers(length - self.side + 1)) for length in size)
        return window[:, :, top : top + self.side, left : left + self.side].contiguous()
