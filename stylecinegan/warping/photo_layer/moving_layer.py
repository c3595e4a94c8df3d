"""The moving layer: RGB levels that are warped without halos, lost grain or a pulsing loop."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylecinegan.generator.stylegan2 import partial_sums
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.photo_layer.levels import (
    band_pass,
    differences,
    enlarge,
    fill_static,
    moving_core,
    shrink,
)
from stylecinegan.warping.photo_layer.pyramid import WarpedPyramid

STATIC_WEIGHT = 1e-6
"""Weight of sources that stay: nothing beside moving content, everything where none arrives."""


class MovingLayer:
    """Folded RGB levels of the generator with what this project adds to the paper.

    Args:
        levels: To-RGB outputs of the warped layers with their biases, ``[1, 3, R, R]``, by layer;
            with both detail transfer and contrast preservation they are not used.
        photo: I, ``[1, 3, H, W]`` in [-1, 1]; the finest level has its size.
        mask: S, ``[1, 1, H, W]``.
        use_detail_transfer: Adds the inversion's residual to the finest level. Frame 0 then is
            the photo and no grain is lost.
        use_moving_content_only: Fills static places from the moving content around them and lets
            sources count by S, so that ridges and shores do not smear into sky and water.
        use_contrast_preservation: Divides detail levels by the loss of contrast that averaging
            two unrelated textures brings (cf. Heitz and Neyret 2018). For this the levels are
            separated into frequency bands, which detail levels must be to have zero mean.
        num_levels: Number of bands at most.
    """

    def __init__(
        self,
        levels: Mapping[int, Tensor],
        photo: Tensor,
        mask: Tensor,
        *,
        use_detail_transfer: bool = True,
        use_moving_content_only: bool = True,
        use_contrast_preservation: bool = True,
        num_levels: int = 6,
    ) -> None:
        images = partial_sums(levels) if levels else []
        if use_detail_transfer:
            images = [image for image in images if image.shape[2] < photo.shape[2]] + [photo]
        elif images[-1].shape != photo.shape:
            images[-1] = enlarge(images[-1], photo.shape[2:])
        if use_contrast_preservation:
            images = images[-1:]  # the bands are those of the finished picture
        if use_moving_content_only:
            core = moving_core(mask)
            images = [fill_static(image, shrink(core, image.shape[2:])) for image in images]
        bands = (
            band_pass(images[-1], num_levels) if use_contrast_preservation else differences(images)
        )
        weights = [
            shrink(mask, level.shape[2:]).clamp(min=STATIC_WEIGHT)
            if use_moving_content_only
            else None
            for level in bands
        ]
        # I - S times the still layer: what the rendered layer, times S, is added to.
        rest = torch.addcmul(photo, mask, images[-1], value=-1.0)
        self.pyramid = WarpedPyramid(
            bands, weights, rest, mask, use_contrast_preservation=use_contrast_preservation
        )

    @property
    def levels(self) -> Sequence[Tensor]:
        """What is warped, ``[1, 3, H, W]`` each, coarse to fine; the sum is the still layer."""
        return self.pyramid.levels

    def interpolate(self, other: "MovingLayer", share: float) -> "MovingLayer":
        """The layer of a picture between this one's and another's, of the same mask and settings.

        All that a layer makes of its picture is linear in it.

        Args:
            other: The other layer.
            share: 0 gives this one, 1 the other.
        """
        between = copy.copy(self)
        between.pyramid = self.pyramid.interpolate(other.pyramid, share)
        return between

    def render(self, warp: FrameWarp) -> Tensor:
        """Renders one frame and composes it with the photo.

        The picture is the photo plus S times the change of the moving layer since frame 0. Where
        S is 1 and the layer shows the photo, that is Eq. 4; on a soft edge the photo mixes moving
        and static content, and the change is added in just the share in which it is seen.

        Returns:
            ``[1, 3, H, W]`` in [-1, 1]; equal to the photo where S is 0.
        """
        return self.pyramid.render(warp)
