"""Moving layer: RGB levels warped without halos, loss of detail or pulsing contrast."""

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


class MovingLayer:
    """Folded RGB levels of the generator with this project's additions to the paper.

    Args:
        levels: To-RGB outputs of the warped layers with their biases, ``[1, 3, R, R]``, by layer;
            unused with both detail transfer and contrast preservation.
        photo: I, ``[1, 3, H, W]`` in [-1, 1]; the finest level has its size.
        mask: S, ``[1, 1, H, W]``.
        use_detail_transfer: Adds the inversion's residual I - G to the finest level, so that frame
            0 is the photo.
        use_moving_content_only: Inpaints static regions from the moving content around them, so
            that ridges and shores do not smear into sky and water.
        use_contrast_preservation: Divides detail levels by the standard deviation
            ``sqrt(a² + b² + 2abρ)`` that a blend of two textures with weights a, b and correlation
            ρ keeps (cf. Heitz and Neyret 2018). Levels are frequency bands, of zero mean.
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
        # Inpainted places weigh as much as others: with little weight they would take the colour of
        # a moving neighbour at its smallest displacement, and the loop would jump at frame 0.
        weights: list[Tensor | None] = [None] * len(bands)
        # I - S · (layer at frame 0), to which S · (rendered layer) is added.
        static = torch.addcmul(photo, mask, images[-1], value=-1.0)
        self.pyramid = WarpedPyramid(
            bands, weights, static, mask, use_contrast_preservation=use_contrast_preservation
        )

    @property
    def levels(self) -> Sequence[Tensor]:
        """RGB levels, ``[1, 3, H, W]`` each, coarse to fine; their sum is the layer at frame 0."""
        return self.pyramid.levels

    def interpolate(self, other: "MovingLayer", share: float) -> "MovingLayer":
        """Interpolates linearly with a layer of the same mask and settings.

        A layer is linear in its picture, so this is the layer of the interpolated picture.

        Args:
            other: The other layer.
            share: Weight of the other, in [0, 1].
        """
        between = copy.copy(self)
        between.pyramid = self.pyramid.interpolate(other.pyramid, share)
        return between

    def render(self, warp: FrameWarp) -> Tensor:
        """Renders one frame and composes it with the photo.

        ``I_t = I + S (L_t - L_0)`` with the moving layer L. Where S = 1 and L_0 = I, that is Eq. 4;
        on a soft edge, where the photo mixes moving and static content, the change is added in
        proportion to the moving content.

        Returns:
            ``[1, 3, H, W]`` in [-1, 1]; equal to the photo where S = 0.
        """
        return self.pyramid.render(warp)
