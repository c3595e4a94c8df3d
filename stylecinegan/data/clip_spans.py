"""Spans of real clips: first, intermediate and last frame, and the displacements between them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan import io
from stylecinegan.data.landscapes import Landscapes
from stylecinegan.data.motion_sources import Source, find_sources
from stylecinegan.data.pictures import read_held_out
from stylecinegan.data.real_motion import mirror, video_of
from stylecinegan.errors import InputError
from stylecinegan.motion.estimation.optical_flow import estimate_motion, find_distinct
from stylecinegan.warping.displacement import integrate_motion

logger = logging.getLogger(__name__)

_VECTORS = ("from_start", "from_end")


@dataclass(frozen=True)
class Clip:
    """A part of a video.

    Attributes:
        frames: Distinct frames, ``[T, H, W, 3]``, uint8.
        motion: M, ``[1, 2, H, W]``, pixels per frame.
    """

    frames: np.ndarray
    motion: Tensor


class ClipSpans(Dataset[dict[str, Tensor]]):
    """Crops of spans of real clips, and of still photos, as an infinite sequence.

    Training data of Eulerian Motion Fields (Holynski et al. 2021): the first and last frame of a
    span, splatted to time t by the clip's motion, should reconstruct frame t.

    Args:
        dir: Folder or zip file of the photos.
        clips: Folders or files of clips, each as
            :func:`~stylecinegan.data.motion_sources.find_sources` takes it. Their frames and
            motion are read at once and kept in memory.
        crop: Side of all samples, in pixels.
        side: Longer side that clips are shrunk to, in pixels.
        num_frames: Frames that a motion is averaged over; a longer video is split into parts.
        num_parts: Parts of a video to use, the first ones.
        span_range: Shortest and longest span N, in frames.
        photo_share: Share of the samples that are still photos.
        held_out: Text file of photos that are excluded from training.
        motion_held_out: Text file of videos that are excluded from training.
        seed: Seed of all choices.

    Raises:
        InputError: If no clip is left, or no photo.
    """

    def __init__(
        self,
        dir: str | Path,
        clips: Sequence[str | Path],
        *,
        crop: int = 96,
        side: int = 192,
        num_frames: int = 60,
        num_parts: int = 2,
        span_range: tuple[int, int] = (4, 16),
        photo_share: float = 0.25,
        held_out: str | Path | None = None,
        motion_held_out: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        self.photos = Landscapes(dir, crop=crop, held_out=held_out, seed=seed)
        held = read_held_out(motion_held_out)
        self.videos: dict[str, list[Clip]] = {}
        for path in clips:
            for source in find_sources(path, side=side, num_frames=num_frames):
                if video_of(source.names[0]) in held:
                    continue
                usable = [
                    clip
                    for clip in islice(read_clips(source), num_parts)
                    if len(clip.frames) > span_range[0] and min(clip.frames.shape[1:3]) >= crop
                ]
                if usable:
                    self.videos[source.path] = usable
        if not self.videos:
            raise InputError(
                f"wanted clips of at least {crop} pixels a side and {span_range[0] + 1} frames in "
                f"{', '.join(map(str, clips)) or 'data.clips'}, found none"
            )
        self.crop = crop
        self.span_range = span_range
        self.photo_share = photo_share
        self.seed = seed

    def __len__(self) -> int:
        """Returns the number of photos; the sequence of samples has no end."""
        return len(self.photos)

    def __getitem__(self, counter: int) -> dict[str, Tensor]:
        """Makes a sample.

        Args:
            counter: Index in the infinite sequence of samples, from 0.

        Returns:
            ``first``, ``image`` and ``last``, frames 0, t and N, ``[3, S, S]`` in [-1, 1];
            ``from_start`` and ``from_end``, F(0→t) and F(N→t), ``[2, S, S]``; ``progress``, t/N.
        """
        random = np.random.default_rng((self.seed, 2, counter))
        if random.random() < self.photo_share:
            return self._still_sample(counter)
        videos = list(self.videos.values())
        clips = videos[random.integers(len(videos))]  # all videos are equally likely
        sample = self._cut(clips[random.integers(len(clips))], random)
        return mirror(sample, _VECTORS) if random.random() < 0.5 else sample

    def check_broken(self) -> None:
        """Raises an InputError if more than 1 % of the photos were found broken."""
        self.photos.check_broken()

    def _still_sample(self, counter: int) -> dict[str, Tensor]:
        photo = self.photos[counter]["image"].float() / 127.5 - 1.0
        still = photo.new_zeros(2, self.crop, self.crop)
        return {
            "first": photo,
            "image": photo,
            "last": photo,
            "from_start": still,
            "from_end": still,
            "progress": torch.tensor(0.5),
        }

    def _cut(self, clip: Clip, random: np.random.Generator) -> dict[str, Tensor]:
        shortest, longest = self.span_range
        length = int(random.integers(shortest, min(longest, len(clip.frames) - 1) + 1))
        start = int(random.integers(len(clip.frames) - length))
        between = int(random.integers(1, length))
        pairs = integrate_motion(clip.motion, between + 1, period=length)
        ((from_start, from_end),) = islice(pairs, between, None)
        height, width = clip.frames.shape[1:3]
        top, left = (int(random.integers(side - self.crop + 1)) for side in (height, width))
        rows, columns = slice(top, top + self.crop), slice(left, left + self.crop)
        first, image, last = (
            io.from_uint8(clip.frames[start + time])[0, :, rows, columns]
            for time in (0, between, length)
        )
        return {
            "first": first,
            "image": image,
            "last": last,
            "from_start": from_start[0, :, rows, columns],
            "from_end": from_end[0, :, rows, columns],
            "progress": torch.tensor(between / length),
        }


def read_clips(source: Source) -> Iterator[Clip]:
    """Reads the usable windows of a source."""
    if source.windows is None:
        return
    for name, window in zip(source.names, source.windows(), strict=False):
        frames = [io.to_uint8(frame).numpy() for frame in window]
        try:
            # Camera motion is kept, because the ends are to be registered to frame t.
            motion = estimate_motion(map(io.from_uint8, frames), camera="static").motion
        except InputError as error:
            logger.info("left out %s: %s", name, error)
        else:
            # Motion is per distinct frame: repeated frames are left out.
            distinct = [frames[number] for number in find_distinct(frames)]
            yield Clip(np.stack(distinct), motion)
