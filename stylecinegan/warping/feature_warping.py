"""The warped generator: multi-scale deep feature warping (MSDFW, Sec. 3.4)."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, partial_sums
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.photo_layer.pyramid import WarpedPyramid


class WarpedGenerator:
    """A generator whose deep features are warped to the frames of a loop.

    ``D_t^i = Warp(D_0^i)`` if layer i is in ``warp_layers``, else ``conv_i(D_t^(i-1))`` after the
    first warped layer; the picture is the sum of the to-RGB layers from ``first_rgb_layer`` on.
    All published variants are special cases: the paper warps (10, 12, 14, 16, 18); the released
    code (11, 14, 16, 18) with ``first_rgb_layer=12``; "w/o MSDFW" only (10,); "w/o DFW" none, i.e.
    the rendered picture is warped (Sec. 4.3).

    Folding: splatting is linear in the feature and acts on each channel alone, and to-RGB is a
    modulated 1x1 convolution without activation, so they commute. A warped even layer is then
    warped as 3 channels, computed once a cinemagraph, instead of up to 512.

    Args:
        generator: The generator.
        features: D_0 of the still photo by layer, from 10 on, ``[1, C, R, R]``.
        w_plus: Latent codes, ``[1, num_styles, style_dim]``.
        warp_layers: Layers that are warped; by default the even ones from 10 on.
        first_rgb_layer: First even layer that contributes to the picture.
        use_folding: Applies to-RGB before the warp where possible. Without folding the result is
            the same, but slow; it is the specification.

    Raises:
        InputError: If a layer is not one of the generator's from 10 on, or no to-RGB layer is left.
    """

    def __init__(
        self,
        generator: Generator,
        features: Mapping[int, Tensor],
        w_plus: Tensor,
        *,
        warp_layers: Sequence[int] | None = None,
        first_rgb_layer: int = FEATURE_LAYER,
        use_folding: bool = True,
    ) -> None:
        last = generator.last_layer
        if warp_layers is None:
            warp_layers = range(FEATURE_LAYER, last + 1, 2)
        if not set(warp_layers) <= set(range(FEATURE_LAYER, last + 1)):
            raise InputError(
                f"warp_layers must be layers in [{FEATURE_LAYER}, {last}], got {list(warp_layers)}"
            )
        first_warped = min(warp_layers, default=FEATURE_LAYER)
        self.rgb_layers = [
            layer
            for layer in range(FEATURE_LAYER, last + 1, 2)
            if layer >= max(first_rgb_layer, first_warped, generator.first_rgb_layer)
        ]
        if not self.rgb_layers:
            raise InputError(f"no to-RGB layer is left from layer {first_rgb_layer} on")
        self.generator = generator
        self.w_plus = w_plus
        self.warp_layers = sorted(set(warp_layers))
        shown = {layer: features[layer] for layer in self.rgb_layers}
        self._picture = None if self.warp_layers else generator.render(shown, w_plus)
        folds = [i for i in self.rgb_layers if use_folding and i in self.warp_layers]
        self._folded = {
            layer: generator.to_rgb(layer, features[layer], w_plus, use_bias=False)
            for layer in folds
        }
        self._trunk = self._find_trunk() if self.warp_layers else set()
        # Only those that are warped: deep features of a large picture take hundreds of megabytes.
        self.features = {i: features[i] for i in self._trunk if i in self.warp_layers}

    def _find_trunk(self) -> set[int]:
        """Layers whose warped feature is needed by to-RGB or by a later convolution."""
        trunk = set()
        for layer in self.rgb_layers:
            if layer in self._folded:
                continue
            trunk.add(layer)
            while layer not in self.warp_layers:
                layer -= 1
                trunk.add(layer)
        return trunk

    @property
    def is_folded(self) -> bool:
        """Whether frames are computed from RGB levels alone and so are linear in them."""
        return not self._trunk

    def interpolate(self, other: "WarpedGenerator", share: float) -> "WarpedGenerator":
        """Interpolates the folded levels linearly with those of another of the same settings.

        Args:
            other: The other one; both must be folded.
            share: Weight of the other, in [0, 1].
        """
        assert self.is_folded
        between = copy.copy(self)
        between._folded = {
            layer: torch.lerp(level, other._folded[layer], share)
            for layer, level in self._folded.items()
        }
        if self._picture is not None and other._picture is not None:
            between._picture = torch.lerp(self._picture, other._picture, share)
        return between

    def compose(self, photo: Tensor, mask: Tensor) -> WarpedPyramid | None:
        """Prepares the composition of frames with a photo (Eq. 4), ``(1 - S) I + S I_t``, in RGB.

        Args:
            photo: I, ``[1, 3, H, W]`` in [-1, 1].
            mask: S, ``[1, 1, H, W]``.

        Returns:
            The pyramid that renders composed frames; ``None`` unless the generator is folded and
            its pictures have the photo's size.
        """
        layers = self.rgb_layers
        levels = [self._folded[layer] for layer in layers if layer in self._folded]
        if self._picture is not None:
            levels = [self._picture]
        if not self.is_folded or levels[-1].shape != photo.shape:
            return None
        # The sum of the levels is linear, so that of their biases does not change.
        added = -photo
        if self._picture is None:
            biases = {
                layer: self.generator.rgb_bias(layer).expand_as(level)
                for layer, level in zip(layers, levels, strict=True)
            }
            added = partial_sums(biases)[-1] - photo
        static = torch.addcmul(photo, mask, added)
        levels = [level.float() for level in levels]
        return WarpedPyramid(levels, [None] * len(levels), static, mask, edges_fade=True)

    def render(self, warp: FrameWarp) -> Tensor:
        """Renders one frame, ``[1, 3, H, W]``, about [-1, 1], not clamped."""
        if self._picture is not None:
            return warp(self._picture)[0]
        levels: dict[int, Tensor] = {}
        trunk: Tensor | None = None
        for layer in range(self.warp_layers[0], self.generator.last_layer + 1):
            if layer in self._folded:
                warped, _ = warp(self._folded[layer])
                levels[layer] = warped + self.generator.rgb_bias(layer)
            if layer not in self._trunk:
                continue
            if layer in self.warp_layers:
                trunk, _ = warp(self.features[layer])
            else:
                assert trunk is not None  # the layer before is part of the trunk too
                trunk = self.generator.convolve(layer, trunk, self.w_plus)
            if layer in self.rgb_layers and layer not in levels:
                levels[layer] = self.generator.to_rgb(layer, trunk, self.w_plus)
        return partial_sums(levels)[-1]
