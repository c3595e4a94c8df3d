"""What surrounds a pixel, and what it is.

The paper's D^10 comes through 10 layers from a 4x4 map and knows the whole picture. That of an
encoder's shallow branch has seen some 30 pixels, and was never asked what things are: too little to
tell a white cloud from snow or a lake from a road. So D* may be widened by the features of a
network that was taught to recognise things.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.errors import InputError
from stylecinegan.squeezenet import SqueezeNet

ContextKind = Literal["none", "semantic"]

LAST_UNIT = 8
"""Of the trunk: with the ninth the whole would not fit into 2 MiB."""


class NoContext(nn.Module):
    """The paper's plain stack."""

    num_channels = 0

    def forward(self, image: Tensor) -> Tensor:
        """Gives no channels, ``[B, 0, H, W]``."""
        return image[:, :0]


class SemanticContext(nn.Module):
    """Layers of SqueezeNet with a head that brings their maps together.

    Args:
        width: Channels of the head; half as many come out.
        num_classes: Classes of :attr:`classify`, by which the context is trained.
    """

    def __init__(self, width: int = 48, num_classes: int = 3) -> None:
        super().__init__()
        self.num_channels = width // 2
        self.trunk = SqueezeNet(LAST_UNIT)
        self.head = ContextHead(self.trunk.num_channels, width, self.num_channels)
        self.classify = nn.Conv2d(self.num_channels, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Maps ``[B, 3, H, W]`` in [-1, 1] to ``[B, num_channels, H / 8, W / 8]``."""
        return self.head(self.trunk(image)[f"fire{LAST_UNIT}"])


class ContextHead(nn.Module):
    """A small U-shaped network over the trunk's maps: where a thing is tells what it is, too.

    Args:
        in_channels: Channels of the maps.
        width: Channels of every level.
        out_channels: Channels of the result.
        num_levels: Halvings of the maps.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        num_levels: int = 3,
    ) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(in_channels, affine=False)
        self.stem = _unit(in_channels + 2, width, 1)
        self.down = nn.ModuleList(ContextBlock(width) for _ in range(num_levels + 1))
        self.up = nn.ModuleList(_unit(2 * width, width, 3) for _ in range(num_levels))
        self.out = nn.Conv2d(width, out_channels, 1)
        # Whole channels: a head that leans on few of them overfits a few thousand photos.
        self.dropout = nn.Dropout2d(0.1)

    def forward(self, context: Tensor) -> Tensor:
        """Maps ``[B, in_channels, h, w]`` to ``[B, out_channels, h, w]``."""
        x = self.dropout(self.normalize(context))
        x = self.stem(torch.cat([x, positions(x)], dim=1))
        levels: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2, ceil_mode=True) if level else x)
            levels.append(x)
        for unit, skipped in zip(self.up, reversed(levels[:-1]), strict=True):
            x = F.interpolate(x, skipped.shape[2:], mode="bilinear")
            x = unit(torch.cat([x, skipped], dim=1))
        return F.relu(self.out(x))


class ContextBlock(nn.Module):
    """Residual unit of :class:`ContextHead`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _unit(width, width, 3)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.normalize = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, width, h, w]`` to the same."""
        return F.relu(x + self.normalize(self.second(self.first(x))))


def make_context(kind: ContextKind, width: int, num_classes: int) -> nn.Module:
    """Builds the context of a kind.

    Args:
        kind: ``"none"`` or ``"semantic"`` (:class:`SemanticContext`).
        width: Width of its head.
        num_classes: Classes.

    Raises:
        InputError: If there is no such kind.
    """
    if kind == "none":
        return NoContext()
    if kind == "semantic":
        return SemanticContext(width, num_classes)
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
