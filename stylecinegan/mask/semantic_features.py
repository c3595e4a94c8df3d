"""Semantic features that are appended to D* (Sec. 3.2).

D^10 of the paper's generator is computed from a 4x4 map, so its receptive field is the whole
picture. D^10 predicted by the encoder's shallow feature branch has a receptive field of about 30
pixels and was trained without class labels: not enough to distinguish a white cloud from snow, or
a lake from a road. Features of a network trained on semantic labels close the gap.
"""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.backbones.efficientnet import EfficientNet
from stylecinegan.errors import InputError

ContextKind = Literal["none", "semantic"]

ENLARGED = 1.25
"""Scale of the enlarged photo in test-time augmentation."""


class NoContext(nn.Module):
    """No semantic features: the paper's D*."""

    num_channels = 0

    def forward(self, image: Tensor) -> Tensor:
        """Returns an empty feature map, ``[B, 0, H, W]``."""
        return image[:, :0]


class SemanticContext(nn.Module):
    """Concatenated features of several semantic networks, with test-time augmentation.

    Features are averaged over four versions of the photo: two scales (1 and :data:`ENLARGED`),
    each with its horizontal flip. Averaging removes part of the errors of a single pass and costs
    little compared with D*. For the same reason two small networks beat a large one.

    Args:
        width: Channels of the heads.
        num_classes: Classes that the networks are trained on.
        num_networks: Number of networks.
    """

    def __init__(self, width: int = 96, num_classes: int = 3, num_networks: int = 1) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            ContextNetwork(width, num_classes) for _ in range(num_networks)
        )
        self.num_channels = ContextNetwork.num_channels * num_networks

    def forward(self, image: Tensor) -> Tensor:
        """Maps ``[B, 3, H, W]`` in [-1, 1] to ``[B, num_channels, H / 4, W / 4]``."""
        # Always in float32: bfloat16 changes the class of some pixels.
        with torch.autocast(image.device.type, enabled=False):
            image = image.float()
            features = self._flip_averaged(image)
            size = [round(side * ENLARGED) for side in image.shape[2:]]
            larger = F.interpolate(image, size, mode="bicubic").clamp_(-1.0, 1.0)
            coarse_size = features.shape[2:]
            enlarged = F.interpolate(self._flip_averaged(larger), coarse_size, mode="bilinear")
            return (features + enlarged) / 2.0

    def classify(self, features: Tensor) -> Tensor:
        """Class probabilities of pixels by their features, averaged over the networks.

        Args:
            features: ``[P, num_channels]``.

        Returns:
            ``[P, num_classes]``.
        """
        parts = features.split(ContextNetwork.num_channels, dim=1)
        networks = cast(list[ContextNetwork], list(self.networks))
        return (
            torch.stack(
                [
                    F.linear(part, network.classify.weight[:, :, 0, 0], network.classify.bias)
                    for part, network in zip(parts, networks, strict=True)
                ]
            )
            .softmax(dim=2)
            .mean(dim=0)
        )

    def encode(self, image: Tensor) -> Tensor:
        """Features of a single pass, ``[B, 3, H, W]`` to ``[B, num_channels, H / 4, W / 4]``."""
        return torch.cat([network(image) for network in self.networks], dim=1)

    def _flip_averaged(self, image: Tensor) -> Tensor:
        return (self.encode(image) + self.encode(image.flip(3)).flip(3)) / 2.0


class ContextNetwork(nn.Module):
    """EfficientNet-Lite0 with a head that fuses its feature maps.

    Args:
        width: Channels of the head.
        num_classes: Classes of :attr:`classify`, the layer that training adds the loss to.
    """

    num_channels = 24

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.trunk = EfficientNet()
        self.head = ContextHead(EfficientNet.num_channels, width, self.num_channels)
        self.classify = nn.Conv2d(self.num_channels, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Maps ``[B, 3, H, W]`` in [-1, 1] to ``[B, num_channels, H / 4, W / 4]``."""
        return self.head(self.trunk(image))


class ContextHead(nn.Module):
    """A small U-Net over the trunk's feature maps, with pixel coordinates as further channels.

    Args:
        in_channels: Channels of the feature maps, fine to coarse.
        width: Channels of the coarsest map's level and of the levels below it.
        out_channels: Channels of the result.
        num_halvings: Levels below the coarsest map.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...],
        width: int,
        out_channels: int,
        num_halvings: int = 2,
    ) -> None:
        super().__init__()
        *finer, coarsest = in_channels
        self.stem = _unit(coarsest + 2, width, 1)
        self.down = nn.ModuleList(ContextBlock(width) for _ in range(num_halvings + 1))
        skipped = [*finer, *(width for _ in range(num_halvings))]
        # Half the width suffices at the levels that have a map of the trunk.
        widths = [width // 2] * len(finer) + [width] * (num_halvings + 1)
        self.up = nn.ModuleList(
            nn.Sequential(_unit(deeper + channels, own, 1), ContextBlock(own))
            for channels, deeper, own in zip(
                reversed(skipped), reversed(widths[1:]), reversed(widths[:-1]), strict=True
            )
        )
        self.out = nn.Conv2d(width // 2, out_channels, 1)
        # Drops whole channels: a head that relies on a few of them overfits a few thousand photos.
        self.dropout = nn.Dropout2d(0.1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps ``[B, in_channels[i], h / 2^i, w / 2^i]`` to ``[B, out_channels, h, w]``."""
        *levels, coarsest = maps
        x = self.dropout(coarsest)
        x = self.stem(torch.cat([x, positions(x)], dim=1))
        for level, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2, ceil_mode=True) if level else x)
            levels.append(x)
        for unit, skipped in zip(self.up, reversed(levels[:-1]), strict=True):
            x = F.interpolate(x, skipped.shape[2:], mode="bilinear")
            x = unit(torch.cat([x, skipped], dim=1))
        return F.relu(self.out(x))


class ContextBlock(nn.Module):
    """Residual unit of :class:`ContextHead`: depthwise 5x5, then pointwise convolutions, twice."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 5, 1, 2, groups=width, bias=False),
            _unit(width, width, 1),
            nn.Conv2d(width, width, 5, 1, 2, groups=width, bias=False),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, width, h, w]`` to the same."""
        return F.relu(x + self.layers(x))


def make_context(kind: ContextKind, width: int, num_classes: int, num_networks: int) -> nn.Module:
    """Builds the context of a kind.

    Args:
        kind: ``"none"`` or ``"semantic"`` (:class:`SemanticContext`).
        width: Width of its heads.
        num_classes: Classes.
        num_networks: Networks.

    Raises:
        InputError: If there is no such kind.
    """
    if kind == "none":
        return NoContext()
    if kind == "semantic":
        return SemanticContext(width, num_classes, num_networks)
    raise InputError(f"context must be none or semantic, got {kind}")


def positions(maps: Tensor) -> Tensor:
    """Coordinates (x, y) of every pixel in [-1, 1], ``[B, 2, h, w]``."""
    batch, _, height, width = maps.shape
    y = torch.linspace(-1.0, 1.0, height, device=maps.device, dtype=maps.dtype)
    x = torch.linspace(-1.0, 1.0, width, device=maps.device, dtype=maps.dtype)
    columns, rows = x.expand(height, width), y.unsqueeze(1).expand(height, width)
    return torch.stack([columns, rows]).expand(batch, -1, -1, -1)


def _unit(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, 1, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
