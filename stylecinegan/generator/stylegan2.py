"""StyleGAN2 generator with access to its deep features by the paper's layer numbers."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stylecinegan.errors import InputError
from stylecinegan.generator.appearance_head import AppearanceHead
from stylecinegan.generator.layers import FeatureProjection, StyledConv, ToRGB, upsample
from stylecinegan.generator.mapping_network import MappingNetwork

FEATURE_LAYER = 10
"""The layer that inversion predicts, D^10 (Sec. 3.1)."""

NUM_STRUCTURE_CODES = FEATURE_LAYER - 1
"""Number of codes up to D^10 (layers 2 to 10); the later codes change the appearance."""


def last_layer(resolution: int) -> int:
    """Number of the last layer of a generator, ``18`` at 1024."""
    return 2 * (resolution.bit_length() - 1) - 2


def layer_resolution(layer: int) -> int:
    """Resolution of a layer's deep feature; D^1 is the constant input, as in the paper."""
    return 4 if layer <= 2 else 2 ** ((layer + 3) // 2)


class Generator(nn.Module):
    """StyleGAN2 generator for any power-of-two resolution and any widths.

    The defaults are those of the paper's 1024x1024 generator. From layer 10 on it is
    convolutional: :meth:`features` resumed from a deep feature of any size and aspect gives a
    picture of any size and aspect.

    Args:
        resolution: Side of the sampled pictures, a power of two in [32, 1024].
        style_dim: Length of a latent code.
        num_mapping_layers: Depth of the mapping network.
        channel_base: Channels at resolution r are ``min(channel_base / r, channel_max)``.
        channel_max: Largest number of channels.
        channels: Channels by resolution, instead of that rule.
        first_rgb_layer: The first (even) layer that contributes to the picture.
        appearance_dim: Length of the appearance descriptor, for a generator whose layers after
            D^10 are a decoder: their codes are zero unless the appearance changes, see
            :class:`~stylecinegan.generator.appearance_head.AppearanceHead`. 0 for a generator whose
            codes hold the appearance.
        use_feature_projection: Ends layer 10 with a
            :class:`~stylecinegan.generator.layers.FeatureProjection`, for a generator whose layers
            after D^10 were trained on the features of an encoder.

    Raises:
        InputError: If the resolution is not a power of two in [32, 1024], the first RGB layer
            is not an even layer of the generator, or the descriptor is longer than a code.
    """

    def __init__(
        self,
        resolution: int = 1024,
        style_dim: int = 512,
        num_mapping_layers: int = 8,
        channel_base: int = 32768,
        channel_max: int = 512,
        channels: Mapping[int, int] | None = None,
        first_rgb_layer: int = 2,
        appearance_dim: int = 0,
        use_feature_projection: bool = False,
    ) -> None:
        super().__init__()
        if resolution not in (32, 64, 128, 256, 512, 1024):
            raise InputError(f"resolution must be a power of two in [32, 1024], got {resolution}")
        self.resolution = resolution
        self.style_dim = style_dim
        self.last_layer = last_layer(resolution)
        self.num_styles = self.last_layer
        self.first_rgb_layer = first_rgb_layer
        if first_rgb_layer not in range(2, self.last_layer + 1, 2):
            raise InputError(
                f"first_rgb_layer must be an even layer in [2, {self.last_layer}], "
                f"got {first_rgb_layer}"
            )
        if not 0 <= appearance_dim <= style_dim:
            raise InputError(f"appearance_dim must be in [0, {style_dim}], got {appearance_dim}")
        if channels is None:
            sides = [2**k for k in range(2, resolution.bit_length())]
            channels = {side: min(channel_base // side, channel_max) for side in sides}
        self.channels = {int(side): width for side, width in channels.items()}
        self.arguments = {
            "resolution": resolution,
            "style_dim": style_dim,
            "num_mapping_layers": num_mapping_layers,
            "channels": self.channels,
            "first_rgb_layer": first_rgb_layer,
            "appearance_dim": appearance_dim,
        }
        if use_feature_projection:
            self.arguments["use_feature_projection"] = True

        self.mapping = MappingNetwork(style_dim, num_mapping_layers)
        self.w_mean: Tensor
        self.register_buffer("w_mean", torch.zeros(style_dim))
        self.constant = nn.Parameter(torch.randn(1, self.channels[4], 4, 4))
        self.convs = nn.ModuleDict()
        self.to_rgbs = nn.ModuleDict()
        for layer in range(2, self.last_layer + 1):
            side = layer_resolution(layer)
            use_upsampling = layer % 2 == 1
            self.convs[str(layer)] = StyledConv(
                self.channels[side // 2 if use_upsampling else side],
                self.channels[side],
                style_dim,
                side,
                use_upsampling=use_upsampling,
            )
            if layer % 2 == 0 and layer >= first_rgb_layer:
                self.to_rgbs[str(layer)] = ToRGB(self.channels[side], style_dim)
        width = self.channels.get(layer_resolution(FEATURE_LAYER), 0)
        self.feature_projection: FeatureProjection | None = None
        if use_feature_projection:
            self.feature_projection = FeatureProjection(width, style_dim)
        self.appearance: AppearanceHead | None = None
        if appearance_dim:
            self.appearance = AppearanceHead(width, style_dim, appearance_dim)

    def sample_w_plus(self, seed: int, *, truncation: float = 0.7) -> Tensor:
        """Samples the latent code of a picture.

        Args:
            seed: Seed; the sample does not depend on the device.
            truncation: ψ; 1 for the full distribution, 0 for the mean code.

        Returns:
            ``w_plus``, ``[1, num_styles, style_dim]``.
        """
        z = torch.randn(1, self.style_dim, generator=torch.Generator().manual_seed(seed))
        w = self.truncate(self.mapping(z.to(self.w_mean.device)), truncation)
        return self.repeat_w(w)

    def truncate(self, w: Tensor, truncation: float) -> Tensor:
        """Truncates ``[B, style_dim]`` towards the mean: w_mean + ψ (w - w_mean)."""
        return self.w_mean + truncation * (w - self.w_mean)

    def repeat_w(self, w: Tensor) -> Tensor:
        """Gives every layer the same code: ``[B, style_dim]`` to ``[B, num_styles, style_dim]``.

        With an :attr:`appearance` head, the codes after D^10 are zero.
        """
        w_plus = w.unsqueeze(1).expand(-1, self.num_styles, -1)
        if self.appearance is None:
            return w_plus
        return torch.cat(
            [w_plus[:, :NUM_STRUCTURE_CODES], torch.zeros_like(w_plus[:, NUM_STRUCTURE_CODES:])], 1
        )

    @torch.no_grad()
    def estimate_w_mean(self, num_samples: int = 10000, seed: int = 0) -> Tensor:
        """Estimates and stores ``w_mean``, the mean of w over samples of z, ``[style_dim]``."""
        z = torch.randn(num_samples, self.style_dim, generator=torch.Generator().manual_seed(seed))
        self.w_mean.copy_(self.mapping(z.to(self.w_mean.device)).mean(dim=0))
        return self.w_mean

    def features(
        self,
        w_plus: Tensor,
        start: tuple[int, Tensor] | None = None,
        *,
        last: int | None = None,
        use_fresh_noise: bool = False,
    ) -> dict[int, Tensor]:
        """Runs the convolutions of the synthesis network.

        Mask prediction reads the result, inversion resumes it from the encoder's deep feature
        (Sec. 3.1), and animation runs it once per photo: a warped feature is the input of its
        to-RGB layer, and of the next convolution only if the next layer is not warped itself.

        Args:
            w_plus: Latent codes, ``[B, num_styles, style_dim]``.
            start: Layer to resume after and its feature, ``(10, D10)``; by default the constant
                input.
            last: Layer to stop at; by default the generator's last.
            use_fresh_noise: Samples new noise (training) instead of the stored noise maps.

        Returns:
            Deep feature of every layer from ``start`` on, ``[B, C, R, R]``, by layer number.

        Raises:
            InputError: If ``w_plus`` or the start do not fit this generator.
        """
        self._check(w_plus, start)
        layer, feature = start or (1, self.constant.expand(w_plus.shape[0], -1, -1, -1))
        features = {layer: feature}
        for number in range(layer + 1, (last or self.last_layer) + 1):
            feature = self.convolve(number, feature, w_plus, use_fresh_noise=use_fresh_noise)
            features[number] = feature
        return features

    def convolve(
        self, layer: int, feature: Tensor, w_plus: Tensor, *, use_fresh_noise: bool = False
    ) -> Tensor:
        """Computes D of one layer from D of the layer before (arguments as in :meth:`features`)."""
        # The constant is D^1, so layer 2 is the first that takes a code.
        w = w_plus[:, layer - 2]
        feature = self.convs[str(layer)](feature, w, use_fresh_noise=use_fresh_noise)
        if layer == FEATURE_LAYER and self.feature_projection is not None:
            feature = self.feature_projection(feature, w)
        return feature

    def to_rgb(
        self, layer: int, feature: Tensor, w_plus: Tensor, *, use_bias: bool = True
    ) -> Tensor:
        """RGB contribution of an even layer, ``[B, 3, R, R]``; linear in the feature."""
        # A to-RGB layer shares the code of the convolution that follows it.
        return self.to_rgbs[str(layer)](feature, w_plus[:, layer - 1], use_bias=use_bias)

    def rgb_bias(self, layer: int) -> Tensor:
        """Bias of a to-RGB layer, ``[1, 3, 1, 1]``."""
        return self.to_rgbs[str(layer)].get_parameter("bias")

    def render(self, features: Mapping[int, Tensor], w_plus: Tensor) -> Tensor:
        """Sums the to-RGB layers of the given features up to a picture.

        Args:
            features: Deep features by layer number; even layers below ``first_rgb_layer`` and odd
                layers are not needed and not used.
            w_plus: Latent codes, ``[B, num_styles, style_dim]``.

        Returns:
            ``[B, 3, H, W]``, about [-1, 1], not clamped, float32.
        """
        return self.partial_images(features, w_plus)[-1]

    def partial_images(self, features: Mapping[int, Tensor], w_plus: Tensor) -> list[Tensor]:
        """Partial sums of the to-RGB layers (arguments as in :meth:`render`).

        Returns:
            ``[B, 3, r, r]`` for every even layer given, coarse to fine; the last is the picture.
        """
        return partial_sums(
            {
                layer: self.to_rgb(layer, features[layer], w_plus)
                for layer in features
                if str(layer) in self.to_rgbs
            }
        )

    def forward(self, w_plus: Tensor, *, use_fresh_noise: bool = False) -> Tensor:
        """Synthesises the picture of ``w_plus`` from the constant input, ``[B, 3, R, R]``."""
        return self.render(self.features(w_plus, use_fresh_noise=use_fresh_noise), w_plus)

    def _check(self, w_plus: Tensor, start: tuple[int, Tensor] | None) -> None:
        """Checks the shapes of the inputs of :meth:`features`."""
        if w_plus.ndim != 3 or w_plus.shape[1:] != (self.num_styles, self.style_dim):
            raise InputError(
                f"w_plus must be [B, {self.num_styles}, {self.style_dim}], got {list(w_plus.shape)}"
            )
        if start is None:
            return
        layer, feature = start
        if not 1 <= layer <= self.last_layer:
            raise InputError(f"start layer must be in [1, {self.last_layer}], got {layer}")
        channels = self.channels[layer_resolution(layer)]
        if feature.ndim != 4 or feature.shape[1] != channels:
            raise InputError(
                f"the feature of layer {layer} must be [B, {channels}, H, W], "
                f"got {list(feature.shape)}"
            )


def partial_sums(levels: Mapping[int, Tensor]) -> list[Tensor]:
    """Partial sums of RGB levels from coarse to fine, each twice the size of the one before.

    Args:
        levels: ``[B, 3, H, W]`` by layer number.

    Returns:
        The picture after each level, coarse to fine.

    Raises:
        InputError: If there is no level.
    """
    if not levels:
        raise InputError("a picture needs at least one RGB level, got none")
    images: list[Tensor] = []
    for layer in sorted(levels):
        images.append(upsample(images[-1]) + levels[layer] if images else levels[layer])
    return images
