"""The moving layer: RGB levels that are warped without halos, lost grain or a pulsing loop."""

from collections.abc import Mapping

import torch
from torch import Tensor

from stylecinegan.generator.stylegan2 import partial_sums
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.levels import (
    band_pass,
    differences,
    enlarge,
    fill_static,
    moving_core,
    shrink,
    sum_pyramid,
)

WAVELENGTH = 3.0
"""Typical wavelength of a band-pass level in its own pixels: its band is 2 to 4 pixels long."""

STATIC_WEIGHT = 1e-6
"""Weight of sources that stay: nothing beside moving content, everything where none arrives."""


class MovingLayer:
    """Folded RGB levels of the generator with what this project adds to the paper.

    Args:
        levels: To-RGB outputs of the warped layers with their biases, ``[1, 3, R, R]``, by layer.
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
        self.mask = mask
        self.use_contrast_preservation = use_contrast_preservation
        images = partial_sums(levels)
        if use_detail_transfer:
            images = [image for image in images if image.shape[2] < photo.shape[2]] + [photo]
        elif images[-1].shape != photo.shape:
            images[-1] = enlarge(images[-1], photo.shape[2:])
        if use_moving_content_only:
            core = moving_core(mask)
            images = [fill_static(image, shrink(core, image.shape[2:])) for image in images]
        self.levels = (
            band_pass(images[-1], num_levels) if use_contrast_preservation else differences(images)
        )
        self.weights: list[Tensor | None] = [
            shrink(mask, level.shape[2:]).clamp(min=STATIC_WEIGHT)
            if use_moving_content_only
            else None
            for level in self.levels
        ]
        # I - S times the still layer: what the rendered layer, times S, is added to.
        self._rest = torch.addcmul(photo, mask, images[-1], value=-1.0)

    def render(self, warp: FrameWarp) -> Tensor:
        """Renders one frame and composes it with the photo.

        The picture is the photo plus S times the change of the moving layer since frame 0. Where
        S is 1 and the layer shows the photo, that is Eq. 4; on a soft edge the photo mixes moving
        and static content, and the change is added in just the share in which it is seen.

        Returns:
            ``[1, 3, H, W]``; equal to the photo where S is 0.
        """
        warped = [
            self._warp_level(warp, number, level, weight)
            for number, (level, weight) in enumerate(zip(self.levels, self.weights, strict=True))
        ]
        return torch.addcmul(self._rest, self.mask, sum_pyramid(warped))

    def _warp_level(
        self, warp: FrameWarp, number: int, level: Tensor, weight: Tensor | None
    ) -> Tensor:
        blended, shares = warp(level, weight)
        if not self.use_contrast_preservation or number == 0:
            return blended
        return blended.div_(self._contrast(warp, shares))

    def _contrast(self, warp: FrameWarp, shares: Tensor) -> Tensor:
        """Standard deviation that the blend keeps: sqrt(a² + b² + 2abρ), ``[1, 1, H, W]``."""
        height, width = shares.shape[2:]
        separation = warp.separation * (width / warp.inner_size[1])
        correlation = torch.exp(-(separation / WAVELENGTH).square())
        correlation = enlarge(correlation, (height, width))
        a = shares[:, :1] / (shares[:, :1] + shares[:, 1:]).clamp_(min=STATIC_WEIGHT**2)
        # With b = 1 - a the sum is 1 - 2 a (1 - a) (1 - ρ).
        loss = (a - a.square()).mul_(2.0).mul_(1.0 - correlation)
        return loss.neg_().add_(1.0).sqrt_()
