"""Training batches of the motion generator: real clips, and photos with synthetic motion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan.data.annotations import AnnotatedLandscapes
from stylecinegan.data.real_motion import RealMotion, Segmenter
from stylecinegan.motion.pseudo_motion import pseudo_motion
from stylecinegan.motion.refinement import edge_ramp
from stylecinegan.warping.displacement import resize_displacement


class MotionBatches(Dataset[dict[str, Tensor]]):
    """Crops of real clips and of photos with synthetic motion, as an infinite sequence.

    Args:
        dir: Folder or zip file of the photos.
        labels_dir: Folder or zip file of their labels.
        motion_dirs: Folders of real clips, see :class:`RealMotion`; none trains on photos alone.
        crop: Side of all samples, in pixels.
        scale_range: Shortest side of photo or clip before cropping, in units of ``crop``.
        held_out: Text file of photos that are excluded from training.
        motion_held_out: Text file of videos that are excluded from training.
        segmenter: Segmentation of real clips, see :class:`RealMotion`.
        real_share: Share of the samples that are of real clips; all videos are equally likely.
        blind_share: Share of the samples with classes of zero, so that the generator also learns
            to predict motion from the photo alone.
        seed: Seed of all choices.

    Raises:
        InputError: If no photo is left, or no clip in ``motion_dirs``.
    """

    def __init__(
        self,
        dir: str | Path,
        labels_dir: str | Path,
        *,
        motion_dirs: Sequence[str | Path] = (),
        crop: int = 128,
        scale_range: tuple[float, float] = (1.0, 1.4),
        held_out: str | Path | None = None,
        motion_held_out: str | Path | None = None,
        segmenter: Segmenter | None = None,
        real_share: float = 0.3,
        blind_share: float = 0.15,
        seed: int = 0,
    ) -> None:
        self.photos = AnnotatedLandscapes(
            dir, labels_dir, crop=crop, scale_range=scale_range, held_out=held_out, seed=seed
        )
        self.real = None
        if motion_dirs:
            self.real = RealMotion(motion_dirs, held_out=motion_held_out, segmenter=segmenter)
        self.real_share = real_share if motion_dirs else 0.0
        self.blind_share = blind_share
        self.seed = seed

    def __len__(self) -> int:
        """Returns the number of photos; the sequence of samples has no end."""
        return len(self.photos)

    def __getitem__(self, counter: int) -> dict[str, Tensor]:
        """Makes a sample.

        Args:
            counter: Index in the infinite sequence of samples, from 0.

        Returns:
            ``image`` ``[3, S, S]`` in [-1, 1], ``classes`` ``[2, S, S]`` (sky and water) in [0, 1],
            ``motion`` ``[2, S, S]`` of typical speed 1, ``confidence`` ``[1, S, S]`` in [0, 1], and
            ``is_real``, 0 or 1.
        """
        random = np.random.default_rng((self.seed, 1, counter))
        is_real = random.random() < self.real_share
        if is_real and self.real is not None:
            sample = self._draw_clip(self.real, random)
        else:
            sample = self._synthesize(counter, random)
        if random.random() < self.blind_share:
            sample["classes"] = torch.zeros_like(sample["classes"])
        return {**sample, "is_real": torch.tensor(float(is_real))}

    def check_broken(self) -> None:
        """Raises an InputError if more than 1 % of the photos were found broken."""
        self.photos.check_broken()

    def _synthesize(self, counter: int, random: np.random.Generator) -> dict[str, Tensor]:
        pair = self.photos[counter]
        image, label = pair["image"], pair["label"]
        motion = pseudo_motion(image.permute(1, 2, 0).numpy(), label.numpy())
        return {
            "image": image.float() / 127.5 - 1.0,
            "motion": torch.from_numpy(motion),
            "confidence": torch.ones(1, *label.shape),
            "classes": soften(label, random),
        }

    def _draw_clip(self, real: RealMotion, random: np.random.Generator) -> dict[str, Tensor]:
        videos = list(real.videos)
        video = videos[random.integers(len(videos))]
        pair = real.read(video, int(random.integers(len(real.videos[video]))))
        height, width = pair["image"].shape[1:]
        low, high = self.photos.scale_range
        side = round(min(height, width) / (low * (high / low) ** random.random()))
        top, left = (int(random.integers(length - side + 1)) for length in (height, width))
        box = (..., slice(top, top + side), slice(left, left + side))
        # Optical flow is blurred across the edges of moving regions; motion is faded out there
        # by the refinement of predictions instead.
        moves = (pair["classes"].sum(dim=0) > 0.5).float()[None, None]
        ramp = torch.where(moves > 0, edge_ramp(moves), torch.ones_like(moves))[0]
        pair = {**pair, "confidence": pair["confidence"] * ramp}
        cut = {name: tensor[box][None] for name, tensor in pair.items()}
        size = (self.photos.crop, self.photos.crop)
        return {
            name: (
                # Undoes the scaling of the vectors, because normalised speed has no unit.
                resize_displacement(tensor, size) * (side / size[0])
                if name == "motion"
                else F.interpolate(tensor, size, mode="bilinear", antialias=True)
            )[0]
            for name, tensor in cut.items()
        }


def soften(label: Tensor, random: np.random.Generator) -> Tensor:
    """Blurs and scales a label to probabilities like those of a classifier.

    Args:
        label: 0 static, 1 sky, 2 water, ``[H, W]``.
        random: Draws the blur and the scale.

    Returns:
        Probabilities of sky and water, ``[2, H, W]``.
    """
    size = (label.shape[0], label.shape[1])
    exact = torch.stack([label == 1, label == 2]).float()[None]
    coarse = [max(4, round(length / random.uniform(1.0, 4.0))) for length in size]
    blurred = F.interpolate(exact, coarse, mode="area")
    blurred = F.interpolate(blurred, size, mode="bilinear")[0]
    return blurred * random.uniform(0.85, 1.0)
