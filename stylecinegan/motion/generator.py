"""The motion generator: photo to Eulerian motion (Sec. 3.3)."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.errors import InputError

Variant = Literal["stylecinegan", "pix2pixhd"]
VARIANTS = ("stylecinegan", "pix2pixhd")


class MotionGenerator(nn.Module):
    """The global generator of pix2pixHD (Wang et al. 2018), from a photo to a motion.

    A 7x7 convolution, strided convolutions, residual blocks at the coarsest scale, and as many
    upsamplings. The layers in ``model`` have upstream's numbers, so that its files and the authors'
    load unchanged.

    Args:
        in_channels: 3, the photo; two more are the probabilities of sky and water.
        width: Channels at full resolution; doubled by each downsampling.
        num_downsamplings: Number of halvings of the resolution.
        num_blocks: Residual blocks.
        variant: ``"stylecinegan"`` upsamples bilinearly before a convolution and ends with a
            convolution, as the authors' release; ``"pix2pixhd"`` has transposed convolutions and
            ends with tanh, as upstream.
        side: Shorter side of the photo, in pixels, that the weights were trained at.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        num_downsamplings: int = 4,
        num_blocks: int = 9,
        variant: Variant = "stylecinegan",
        side: int = 512,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise InputError(f"variant must be one of {', '.join(VARIANTS)}, got {variant}")
        self.arguments: dict[str, Any] = {
            "in_channels": in_channels,
            "width": width,
            "num_downsamplings": num_downsamplings,
            "num_blocks": num_blocks,
            "variant": variant,
            "side": side,
        }
        self.in_channels = in_channels
        self.side = side
        self.multiple = 2**num_downsamplings
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, width, 7), *_activation(width)]
        for _ in range(num_downsamplings):
            layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)]
            width = 2 * width
            layers += _activation(width)
        layers += [ResidualBlock(width) for _ in range(num_blocks)]
        for _ in range(num_downsamplings):
            layers += _upsampling(width, variant)
            width = width // 2
            layers += _activation(width)
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 2, 7)]
        if variant == "pix2pixhd":
            layers.append(nn.Tanh())
        self.model = nn.Sequential(*layers)
        self.apply(initialize)

    def forward(self, photo: Tensor) -> Tensor:
        """Predicts a motion.

        Args:
            photo: ``[B, in_channels, H, W]``, any size and aspect; colours in [-1, 1], class
                probabilities in [0, 1].

        Returns:
            M, ``[B, 2, H, W]``, (x, y), in the units of the training data.
        """
        height, width = photo.shape[2:]
        return self.model(extend_to_multiple(photo, self.multiple))[:, :, :height, :width]


class ResidualBlock(nn.Module):
    """Residual block of two 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            *_activation(width),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, C, H, W]`` to the same shape."""
        return x + self.conv_block(x)


def extend_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pads a map at the right and bottom by reflection, to sides divisible by ``multiple``.

    Args:
        x: ``[B, C, H, W]``, of any size.
        multiple: Divisor of both sides, which become at least twice as long, because deeper layers
            pad by reflection too.
    """
    for axis in (2, 3):
        length = x.shape[axis]
        wanted = max(2 * multiple, -(-length // multiple) * multiple)
        index = torch.arange(wanted, device=x.device).remainder(max(2 * length - 2, 1))
        x = x.index_select(axis, torch.where(index < length, index, 2 * length - 2 - index))
    return x


def initialize(module: nn.Module) -> None:
    """Initialises a convolution as pix2pixHD does: normal weights of standard deviation 0.02."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)


def _activation(width: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(width), nn.ReLU()]


def _upsampling(width: int, variant: Variant) -> list[nn.Module]:
    if variant == "pix2pixhd":
        return [
            nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1),
        ]
    return [_Upsample(), nn.Conv2d(width, width // 2, 3, padding=1)]


class _Upsample(nn.Module):
    """Doubles the resolution; corners stay in place, as in the authors' release."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
