"""Discriminators for training the generator: StyleGAN2's and a projected one."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from stylecinegan.errors import InputError
from stylecinegan.generator.layers import EqualizedLinear, blur, leaky_relu


class EqualizedConv(nn.Module):
    """Convolution with equalised learning rate; downsampling by a blur before the stride.

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
            # Subsampled before the 1x1 convolution, which costs a quarter.
            y = F.conv2d(blur(x)[:, :, ::2, ::2], weight, self.bias)
        else:
            y = F.conv2d(blur(F.pad(x, (1, 1, 1, 1))), weight, self.bias, stride=2)
        return y if self.bias is None else leaky_relu(y)


class ResidualBlock(nn.Module):
    """Two convolutions and a skip connection; halves the resolution (StyleGAN2, Fig. 7c)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = EqualizedConv(in_channels, in_channels, 3)
        self.conv2 = EqualizedConv(in_channels, out_channels, 3, use_downsampling=True)
        self.skip = EqualizedConv(
            in_channels, out_channels, 1, use_downsampling=True, use_activation=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, C_in, H, W]`` to ``[B, C_out, H / 2, W / 2]``."""
        # Keeps the variance.
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
        """Logits of ``[B, 3, R, R]`` in [-1, 1], larger is more real; one head: ``[[B, 1]]``."""
        x = self.blocks(self.from_rgb(image))
        x = torch.cat([x, minibatch_deviation(x, self.group_size)], dim=1)
        x = leaky_relu(self.linear(self.conv(x).flatten(1)))
        return [self.output(x)]


def minibatch_deviation(x: Tensor, group_size: int) -> Tensor:
    """Minibatch standard deviation (Karras et al. 2018, Sec. 3).

    Args:
        x: Features, ``[B, C, H, W]``.
        group_size: Pictures per group; reduced to the largest divisor of B.

    Returns:
        Standard deviation over a picture's group, averaged over channels and positions,
        ``[B, 1, H, W]``. A group is every ``B / group_size``-th picture.
    """
    batch, _, height, width = x.shape
    size = next(size for size in range(min(group_size, batch), 0, -1) if batch % size == 0)
    groups = x.float().unflatten(0, (size, batch // size))
    deviation = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat(size).view(-1, 1, 1, 1).expand(-1, 1, height, width).to(x.dtype)


class ProjectedDiscriminator(nn.Module):
    """Heads on the feature maps of a fixed network (Projected GAN, Sauer et al. 2021).

    Every feature map is divided by its RMS on noise, projected to ``width`` channels by a fixed
    random 1x1 convolution, and added to the upsampled coarser ones, so that no head can rely on a
    single stage of the network. The heads output a logit per patch and are regularised by spectral
    normalisation instead of a gradient penalty.

    Differs from the paper: the random mixing across scales has no 3x3 convolutions.

    Args:
        features: Frozen network, maps pictures to a list of feature maps, fine to coarse.
            Gradients flow through it to the picture.
        width: Channels after the random projection.
        max_width: Largest number of channels in a head.
        resolution: Side of the pictures; determines the depths of the heads.
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
        """Logits of ``[B, 3, R, R]`` in [-1, 1], ``[B, patches]`` per head."""
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
    """Feature maps of smooth noise, to determine their channels, sides and RMS."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn(4, 3, 8, 8, generator=random)
    smooth = F.interpolate(coarse, (resolution, resolution), mode="bicubic")
    grain = torch.randn(4, 3, resolution, resolution, generator=random)
    return features((0.5 * smooth + 0.1 * grain).clamp(-1.0, 1.0))


def _make_head(side: int, width: int, max_width: int) -> nn.Sequential:
    """Head that downsamples a feature map to at most 4x4 and outputs a logit per position."""
    layers: list[nn.Module] = []
    while side > 4:
        wider = min(2 * width, max_width)
        layers += [spectral_norm(nn.Conv2d(width, wider, 4, 2, 1)), nn.LeakyReLU(0.2)]
        side, width = side // 2, wider
    layers += [spectral_norm(nn.Conv2d(width, width, 3, 1, 1)), nn.LeakyReLU(0.2)]
    layers.append(spectral_norm(nn.Conv2d(width, 1, 3, 1, 1)))
    return nn.Sequential(*layers)
