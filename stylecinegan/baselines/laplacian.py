"""Warping of the photo's Laplacian pyramid instead of deep features."""

from collections.abc import Iterator
from itertools import islice

from torch import Tensor

from stylecinegan import StyleCineGAN
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.warping.photo_layer.levels import band_pass
from stylecinegan.warping.photo_layer.pyramid import WarpedPyramid
from stylecinegan.warping.settings import Warping, extend, frame_warps


class LaplacianPyramid:
    """Joint splatting of the photo's frequency bands, composited with the photo by S (Eq. 4).

    An ablation that uses no networks.

    Args:
        num_levels: Largest number of bands.
    """

    def __init__(self, num_levels: int = 6) -> None:
        self.num_levels = num_levels

    def __repr__(self) -> str:
        return f"LaplacianPyramid({self.num_levels})"

    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Animates a photo (see :class:`Baseline`)."""
        photo, mask = extend(scene.photo), extend(scene.mask)
        levels = band_pass(photo, self.num_levels)
        static = photo * (1.0 - mask)
        pyramid = WarpedPyramid(levels, [None] * len(levels), static, mask)
        motion = scene.motion * scene.mask
        settings = Warping.of_the_paper()
        height, width = scene.photo.shape[2:]
        warps = frame_warps(motion, photo.shape[2:], scene.period, settings)
        for warp in islice(warps, scene.num_frames):
            yield pyramid.render(warp)[:, :, :height, :width]
