"""A photo in one style, ready to be animated (Eqs. 4 and 6)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inversion import Inversion
from stylecinegan.warping.feature_warping import WarpedGenerator
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.photo_layer.moving_layer import MovingLayer
from stylecinegan.warping.photo_layer.pyramid import WarpedPyramid
from stylecinegan.warping.replicated_borders import compose_with_replicated_borders
from stylecinegan.warping.settings import Warping


@dataclass(frozen=True)
class StyledPhoto:
    """A photo in one style, ready to be animated.

    Attributes:
        photo: I + ΔI_s, ``[1, 3, H, W]``; the photo itself without a change of style.
        mask: S, ``[1, 1, H, W]``.
        renderer: Warps and renders frames.
    """

    photo: Tensor
    mask: Tensor
    renderer: MovingLayer | WarpedPyramid | WarpedGenerator

    def render(self, warp: FrameWarp) -> Tensor:
        """Renders one frame, ``(1 - S) (I + ΔI_s) + S I_t`` (Eq. 6).

        Without a change of style, ΔI_s = 0, this is Eq. 4.

        Args:
            warp: Displacements of the frame.

        Returns:
            ``[1, 3, H, W]`` in [-1, 1].
        """
        frame = self.renderer.render(warp)
        if not isinstance(self.renderer, WarpedGenerator):
            return frame  # already composed with the photo
        if frame.shape != self.photo.shape:
            frame = F.interpolate(frame, self.photo.shape[2:], mode="bilinear")
        composed = torch.lerp(self.photo, frame, self.mask)
        return torch.where(self.mask > 0, composed, self.photo).clamp_(-1.0, 1.0)

    @property
    def is_linear(self) -> bool:
        """Whether frames are linear in the RGB levels, which :meth:`interpolate` requires."""
        return not isinstance(self.renderer, WarpedGenerator) or self.renderer.is_folded

    def interpolate(self, other: "StyledPhoto", share: float) -> "StyledPhoto":
        """Interpolates linearly between this style and another.

        Args:
            other: The same photo in the other style.
            share: Weight of the other style, in [0, 1].
        """
        renderer = self.renderer.interpolate(other.renderer, share)  # type: ignore[arg-type]
        return StyledPhoto(torch.lerp(self.photo, other.photo, share), self.mask, renderer)


def prepare_photo(
    generator: Generator,
    invert: Callable[[], Inversion],
    photo: Tensor,
    mask: Tensor,
    settings: Warping,
) -> StyledPhoto:
    """Prepares a photo for animation with the renderer that the settings require.

    Args:
        generator: The generator.
        invert: Computes the photo's inversion; called only if the renderer needs it.
        photo: I or, in a new style, I + ΔI_s, ``[1, 3, H, W]``, sides divisible by 32.
        mask: S, ``[1, 1, H, W]``.
        settings: Settings of the rendering.

    Raises:
        InputError: If the renderer cannot warp the given layers.
    """
    if settings.uses_moving_layer:
        renderer: MovingLayer | WarpedPyramid | WarpedGenerator = MovingLayer(
            _rgb_levels(generator, invert, settings),
            photo,
            mask,
            use_detail_transfer=settings.use_detail_transfer,
            use_moving_content_only=settings.use_moving_content_only,
            use_contrast_preservation=settings.use_contrast_preservation,
        )
    elif settings.use_replicated_borders:
        levels = _rgb_levels(generator, invert, settings)
        renderer = compose_with_replicated_borders(levels, photo, mask, settings.warp_layers)
    else:
        inversion = invert()
        warped = WarpedGenerator(
            generator,
            inversion.features,
            inversion.w_plus,
            warp_layers=settings.warp_layers,
            first_rgb_layer=settings.first_rgb_layer,
            use_folding=settings.use_folding,
        )
        renderer = warped.compose(photo, mask) or warped
    return StyledPhoto(photo, mask, renderer)


def _rgb_levels(
    generator: Generator, invert: Callable[[], Inversion], settings: Warping
) -> dict[int, Tensor]:
    """To-RGB outputs of the inversion, by layer; empty if the frames do not depend on them."""
    layers = settings.warp_layers or range(FEATURE_LAYER, generator.last_layer + 1, 2)
    if odd := [layer for layer in layers if layer % 2]:
        raise InputError(
            "only even layers can be warped with detail transfer, moving content only, "
            f"contrast preservation or replicated borders, got {odd}: turn these off for others"
        )
    if not settings.shows_generator:
        return {}
    inversion = invert()
    return {
        layer: generator.to_rgb(layer, inversion.features[layer], inversion.w_plus)
        for layer in range(settings.first_rgb_layer, generator.last_layer + 1, 2)
    }
