"""What surrounds a pixel, and what it is.

The paper's D^10 comes through 10 layers from a 4x4 map and knows the whole picture. That of an
encoder's shallow branch has seen some 30 pixels, and was never asked what things are: too little to
tell a white cloud from snow or a lake from a road. So D* may be widened by the features of a
network that was taught to recognise things.
"""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.backbones.efficientnet import EfficientNet
from stylecinegan.errors import InputError

ContextKind = Literal["none", "semantic"]

ENLARGED = 1.25
"""Size of the enlarged photo that a context looks at as well."""


class NoContext(nn.Module):
    """The paper's plain stack."""

    num_channels = 0

    def forward(self, image: Tensor) -> Tensor:
        """Gives no channels, ``[B, 0, H, W]``."""
        return image[:, :0]


class SemanticContext(nn.Module):
    """Networks that were taught what things are, side by side.

    Each errs in its own way, so two small ones know more than a large one. A photo is looked at
    four times, as it is and enlarged, both also mirrored, and what is seen is averaged: it costs
    little beside D*, and the errors of a single look are not all the same.

    Args:
        width: Channels of the heads.
        num_classes: Classes by which the networks are trained.
        num_networks: How many there are.
    """

    def __init__(self, width: int = 96, num_classes: int = 3, num_networks: int = 1) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            ContextNetwork(width, num_classes) for _ in range(num_networks)
        )
        self.num_channels = ContextNetwork.num_channels * num_networks

    def forward(self, image: Tensor) -> Tensor:
        """Maps ``[B, 3, H, W]`` in [-1, 1] to ``[B, num_channels, H / 4, W / 4]``."""
        # Always in full precision: what is seen decides, and bfloat16 changes some of it.
        with torch.autocast(image.device.type, enabled=False):
            image = image.float()
            seen = self._look_twice(image)
            size = [round(side * ENLARGED) for side in image.shape[2:]]
            larger = F.interpolate(image, size, mode="bicubic").clamp_(-1.0, 1.0)
            again = F.interpolate(self._look_twice(larger), seen.shape[2:], mode="bilinear")
            return (seen + again) / 2.0

    def classify(self, seen: Tensor) -> Tensor:
        """What the networks believe of pixels by what they saw there.

        Args:
            seen: ``[P, num_channels]``.

        Returns:
            Mean of their probabilities, ``[P, num_classes]``.
        """
        parts = seen.split(ContextNetwork.num_channels, dim=1)
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

    def look(self, image: Tensor) -> Tensor:
        """Looks once, ``[B, 3, H, W]`` to ``[B, num_channels, H / 4, W / 4]``."""
        return torch.cat([network(image) for network in self.networks], dim=1)

    def _look_twice(self, image: Tensor) -> Tensor:
        return (self.look(image) + self.look(image.flip(3)).flip(3)) / 2.0


class ContextNetwork(nn.Module):
    """Layers of EfficientNet-Lite0 with a head that brings their maps together.

    Args:
        width: Channels of the head.
        num_classes: Classes of :attr:`classify`, by which it is trained.
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
    """A small U-shaped network over the trunk's maps: where a thing is tells what it is, too.

    Args:
        in_channels: Channels of the maps, the finest first.
        width: Channels of the coarsest map's level and of those below it.
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
        # Half the width suffices where there are maps of the trunk itself.
        widths = [width // 2] * len(finer) + [width] * (num_halvings + 1)
        self.up = nn.ModuleList(
            nn.Sequential(_unit(deeper + channels, own, 1), ContextBlock(own))
            for channels, deeper, own in zip(
                reversed(skipped), reversed(widths[1:]), reversed(widths[:-1]), strict=True
            )
        )
        self.out = nn.Conv2d(width // 2, out_channels, 1)
        # Whole channels: a head that leans on few of them overfits a few thousand photos.
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
    """Residual unit of :class:`ContextHead`: around channel by channel, then pixel by pixel."""

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
    """(x, y) of every pixel in [-1, 1], ``[B, 2, h, w]``."""
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
