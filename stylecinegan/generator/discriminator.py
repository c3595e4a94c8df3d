"""Discriminators of the generator's training: StyleGAN2's, and light heads on fixed features."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from stylecinegan.errors import InputError
from stylecinegan.generator.layers import EqualizedLinear, blur, leaky_relu


class EqualizedConv(nn.Module):
    """Convolution whose weights are scaled at run time, after a blur where it halves the size.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the square kernel, 1 or 3.
        use_downsampling: Halves the resolution.
        use_activation: Adds a bias and applies the leaky ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        use_downsampling: bool = False,
        use_activation: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if use_activation else None
        self.use_downsampling = use_downsampling

    def forward(self, x: Tensor) -> Tensor:
        """Convolves ``[B, C_in, H, W]``."""
        weight = self.weight / math.sqrt(self.weight[0].numel())
        padding = weight.shape[-1] // 2
        if not self.use_downsampling:
            y = F.conv2d(x, weight, self.bias, padding=padding)
        elif padding == 0:
            # Every other pixel is left out before the product, not after it.
            y = F.conv2d(blur(x)[:, :, ::2, ::2], weight, self.bias)
        else:
            y = F.conv2d(blur(F.pad(x, (1, 1, 1, 1))), weight, self.bias, stride=2)
        return y if self.bias is None else leaky_relu(y)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut; halves the resolution (StyleGAN2, Fig. 7c)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = EqualizedConv(in_channels, in_channels, 3)
        self.conv2 = EqualizedConv(in_channels, out_channels, 3, use_downsampling=True)
        self.skip = EqualizedConv(
            in_channels, out_channels, 1, use_downsampling=True, use_activation=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, C_in, H, W]`` to ``[B, C_out, H / 2, W / 2]``."""
        # The sum of two keeps the variance of one.
        return (self.conv2(self.conv1(x)) + self.skip(x)) * math.sqrt(0.5)


class StyleGAN2Discriminator(nn.Module):
    """Residual discriminator of StyleGAN2.

    Args:
        channels: Channels by resolution, as of the generator: ``{4: 512, 8: 512, …}``. The
            largest is the resolution of the pictures.
        group_size: Pictures among which the minibatch standard deviation is taken.
    """

    def __init__(self, channels: Mapping[int, int], *, group_size: int = 4) -> None:
        super().__init__()
        sides = sorted(channels, reverse=True)
        if sides != [2**k for k in range(len(sides) + 1, 1, -1)]:
            raise InputError(f"channels must be given for 4, 8, 16, … pixels, got {sides[::-1]}")
        self.resolution = sides[0]
        self.group_size = group_size
        self.from_rgb = EqualizedConv(3, channels[sides[0]], 1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(channels[side], channels[side // 2]) for side in sides[:-1])
        )
        self.conv = EqualizedConv(channels[4] + 1, channels[4], 3)
        self.linear = EqualizedLinear(channels[4] * 16, channels[4])
        self.output = EqualizedLinear(channels[4], 1)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Judges ``[B, 3, R, R]`` in [-1, 1]; one head: ``[[B, 1]]``, larger is more real."""
        x = self.blocks(self.from_rgb(image))
        x = torch.cat([x, minibatch_deviation(x, self.group_size)], dim=1)
        x = leaky_relu(self.linear(self.conv(x).flatten(1)))
        return [self.output(x)]


def minibatch_deviation(x: Tensor, group_size: int) -> Tensor:
    """How much pictures differ among each other (Karras et al. 2018, Sec. 3).

    Args:
        x: Features, ``[B, C, H, W]``.
        group_size: Pictures that are compared; lowered to the largest divisor of B.

    Returns:
        Standard deviation within a picture's group, averaged over channels and places,
        ``[B, 1, H, W]``. Groups take every ``B / group_size``-th picture.
    """
    batch, _, height, width = x.shape
    size = next(size for size in range(min(group_size, batch), 0, -1) if batch % size == 0)
    groups = x.float().unflatten(0, (size, batch // size))
    deviation = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat(size).view(-1, 1, 1, 1).expand(-1, 1, height, width).to(x.dtype)


class ProjectedDiscriminator(nn.Module):
    """Light heads over the maps of a fixed feature network (projected GAN, Sauer et al. 2021).

    Every map is divided by its usual size, mixed across channels by a fixed random 1x1
    convolution, which also makes it narrow and so the heads cheap, and added to the mixed coarser
    ones, so that a head cannot rest on one stage of the network. The heads judge patches; spectral
    normalisation takes the place of a gradient penalty.

    Differs from the paper: the random mixing across scales has no 3x3 convolutions.

    Args:
        features: Fixed network, maps pictures to a list of maps, fine to coarse. Gradients flow
            through it to the picture, never into it.
        width: Channels after mixing.
        max_width: Largest number of channels in a head.
        resolution: Side of the pictures; fixes the depths of the heads.
    """

    def __init__(
        self, features: nn.Module, *, width: int = 64, max_width: int = 256, resolution: int = 64
    ) -> None:
        super().__init__()
        self.features = features.requires_grad_(False)
        self.heads = nn.ModuleList()
        for stage, feature in enumerate(_features_of_noise(features, resolution)):
            channels = feature.shape[1]
            scale = feature.square().mean().sqrt() * math.sqrt(channels)
            self.register_buffer(f"mixing{stage}", torch.randn(width, channels, 1, 1) / scale)
            self.heads.append(_make_head(feature.shape[2], width, max_width))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Judges ``[B, 3, R, R]`` in [-1, 1]; ``[B, patches]`` for each head."""
        logits: list[Tensor] = []
        mixed: Tensor | None = None
        features = self.features(image)
        for stage in reversed(range(len(features))):
            x = F.conv2d(features[stage], self.get_buffer(f"mixing{stage}"))
            if mixed is not None:
                coarser = F.interpolate(mixed, x.shape[2:], mode="bilinear")
                x = (x + coarser) * math.sqrt(0.5)
            mixed = x
            logits.append(self.heads[stage](x).flatten(1))
        return logits[::-1]


@torch.no_grad()
def _features_of_noise(features: nn.Module, resolution: int) -> list[Tensor]:
    """Maps of smooth noise, which tell channels, sides and usual size."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn(4, 3, 8, 8, generator=random)
    smooth = F.interpolate(coarse, (resolution, resolution), mode="bicubic")
    grain = torch.randn(4, 3, resolution, resolution, generator=random)
    return features((0.5 * smooth + 0.1 * grain).clamp(-1.0, 1.0))


def _make_head(side: int, width: int, max_width: int) -> nn.Sequential:
    """Halves a map until it is at most 4 pixels high, then judges every place of it."""
    layers: list[nn.Module] = []
    while side > 4:
        wider = min(2 * width, max_width)
        layers += [spectral_norm(nn.Conv2d(width, wider, 4, 2, 1)), nn.LeakyReLU(0.2)]
        side, width = side // 2, wider
    layers += [spectral_norm(nn.Conv2d(width, width, 3, 1, 1)), nn.LeakyReLU(0.2)]
    layers.append(spectral_norm(nn.Conv2d(width, 1, 3, 1, 1)))
    return nn.Sequential(*layers)
