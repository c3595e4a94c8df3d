"""Rendering of Animating Landscape (AL, Endo et al. 2019), with a given motion."""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

from stylecinegan import StyleCineGAN
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.warping.displacement import pixel_grid


class RecurrentWarping:
    """Backward warping of each frame from the previous one, with one motion for all frames.

    AL predicts a motion for every frame with its own network; here all methods have the same
    motion. Border pixels are repeated for inflow, and every frame is resampled once more than the
    previous one. AL has no mask and makes no loop.

    Args:
        use_mask: Whether to restrict the motion to S.
    """

    def __init__(self, *, use_mask: bool = False) -> None:
        self.use_mask = use_mask

    def __repr__(self) -> str:
        return f"RecurrentWarping(use_mask={self.use_mask})"

    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Animates a photo (see :class:`Baseline`)."""
        motion = scene.motion * scene.mask if self.use_mask else scene.motion
        height, width = scene.photo.shape[2:]
        source = pixel_grid(height, width, motion) - motion
        extent = motion.new_tensor([max(width - 1, 1), max(height - 1, 1)]).view(1, 2, 1, 1)
        position = (source * (2.0 / extent) - 1.0).permute(0, 2, 3, 1)
        frame = scene.photo
        yield frame
        for _ in range(scene.num_frames - 1):
            frame = F.grid_sample(
                frame, position, "bilinear", padding_mode="border", align_corners=True
            )
            yield frame
