"""Real clips for training and evaluation, with normalised motion."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.data.motion_pairs import MotionPairs
from stylecinegan.data.motion_sources import VIDEO_SUFFIXES
from stylecinegan.data.pictures import read_held_out
from stylecinegan.errors import InputError

Segmenter = Callable[[Tensor], Tensor]

SMALLEST_SPEED = 2e-4
"""Typical speed, in longer sides of the picture per frame, below which motion is only noise."""


class RealMotion:
    """Real clips, split by video, with normalised motion.

    A photo determines neither the speed, which varies a hundredfold with the clip's frame rate, nor
    whether motion points left or right. So each motion is divided by its typical speed
    (:func:`typical_speed`), and clips are mirrored so that motion points right
    (:class:`~stylecinegan.tasks.motion.MotionTask`).

    Args:
        dirs: Folders that ``prepare_data.py task=motion`` wrote.
        held_out: Text file of the videos of the test split, one name a line.
        split: Whether to use all videos but the held-out ones, or only those.
        segmenter: Function from a photo, ``[1, 3, H, W]``, to the probabilities of static, sky and
            water, ``[1, 3, h, w]``; by default the classes of all samples are zero.

    Raises:
        InputError: If no clip is left.
    """

    def __init__(
        self,
        dirs: Sequence[str | Path],
        *,
        held_out: str | Path | None = None,
        split: Literal["train", "test"] = "train",
        segmenter: Segmenter | None = None,
    ) -> None:
        held = read_held_out(held_out, split)
        self.segmenter = segmenter
        self.videos: dict[str, list[tuple[MotionPairs, int]]] = {}
        for pairs in map(MotionPairs, dirs):
            for index, name in enumerate(pairs.names):
                video = video_of(name)
                if (video in held) == (split == "test") and _is_fast_enough(pairs[index]):
                    self.videos.setdefault(video, []).append((pairs, index))
        if not self.videos:
            raise InputError(f"wanted {split} clips in {', '.join(map(str, dirs))}, found none")
        self._read: dict[tuple[int, int], dict[str, Tensor]] = {}

    def read(self, video: str, window: int) -> dict[str, Tensor]:
        """Reads a clip with normalised motion, mirrored so that the mean motion points right.

        Args:
            video: Key of :attr:`videos`.
            window: Index of the clip among those of the video.

        Returns:
            ``image`` ``[3, H, W]``, ``motion`` ``[2, H, W]`` of typical speed 1, ``confidence``
            ``[1, H, W]``, ``classes`` ``[2, H, W]``, probabilities of sky and water or zeros.
        """
        pairs, index = self.videos[video][window]
        key = (id(pairs), index)
        if key not in self._read:
            pair = pairs[index]
            motion, confidence = pair["motion"], pair["confidence"]
            pair["motion"] = motion / typical_speed(motion, confidence)
            pair["classes"] = self._classify(pair["image"])
            if (motion[0] * confidence[0]).sum() < 0:
                pair = mirror(pair)
            self._read[key] = pair
        return self._read[key]

    def _classify(self, image: Tensor) -> Tensor:
        size = (image.shape[1], image.shape[2])
        if self.segmenter is None:
            return image.new_zeros(2, *size)
        with torch.no_grad():
            probabilities = self.segmenter(image[None])[:, 1:]
        return F.interpolate(probabilities, size, mode="bilinear", antialias=True)[0]


def video_of(name: str) -> str:
    """Name of a pair's video: its own without the number of the first frame."""
    suffixes = "|".join(suffix[1:] for suffix in sorted(VIDEO_SUFFIXES))
    return re.sub(rf"(_(?:{suffixes}))_\d+$", r"\1", Path(name).name)


def typical_speed(motion: Tensor, confidence: Tensor) -> Tensor:
    """Mean speed weighted by speed, ``Σ c |M|² / Σ c |M|``, so that static regions do not count.

    Args:
        motion: M, ``[2, H, W]``.
        confidence: c, ``[1, H, W]`` in [0, 1].

    Returns:
        Scalar, in the motion's unit; never 0.
    """
    speed = motion.norm(dim=0)
    weight = confidence[0] * speed
    return ((weight * speed).sum() / weight.sum().clamp(min=1e-9)).clamp(min=1e-9)


def mirror(sample: dict[str, Tensor], vectors: Sequence[str] = ("motion",)) -> dict[str, Tensor]:
    """Mirrors a sample horizontally.

    Args:
        sample: Maps ``[C, H, W]``, and scalars, which are kept.
        vectors: Names of the vector fields ``[2, H, W]``, whose x component changes its sign.
    """
    mirrored = {name: tensor.flip(-1) if tensor.ndim else tensor for name, tensor in sample.items()}
    for name in vectors:
        mirrored[name] = mirrored[name] * mirrored[name].new_tensor([-1.0, 1.0]).view(2, 1, 1)
    return mirrored


def _is_fast_enough(pair: dict[str, Tensor]) -> bool:
    motion = pair["motion"]
    return bool(typical_speed(motion, pair["confidence"]) > SMALLEST_SPEED * max(motion.shape[1:]))
