"""What surrounds a pixel.

The paper's D^10 comes through 10 layers from a 4x4 map and knows the whole picture. That of an
encoder's shallow branch has seen some 30 pixels: too few to tell a white cloud from snow or the
blue sky from a lake. So D* may be widened by context from the encoder's deeper blocks.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.errors import InputError

ContextKind = Literal["none", "blocks", "pooled", "head"]


class NoContext(nn.Module):
    """The paper's plain stack."""

    num_channels = 0

    def forward(self, context: Tensor) -> Tensor:
        """Gives no channels, ``[B, 0, h, w]``."""
        return context[:, :0]


class BlockContext(nn.Module):
    """The context maps as they are, and the place in the picture.

    Args:
        num_channels: Channels of the context maps.
        radii: Half sides of windows, in pixels of the map, over which means are added; if any is
            given, the mean over the picture is added as well.
    """

    def __init__(self, num_channels: int, radii: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.radii = radii
        self.num_channels = num_channels * (1 + len(radii) + bool(radii)) + 2

    def forward(self, context: Tensor) -> Tensor:
        """Maps ``[B, C, h, w]`` to ``[B, num_channels, h, w]``."""
        parts = [context]
        for radius in self.radii:
            side = 2 * radius + 1
            parts.append(F.avg_pool2d(context, side, 1, radius, count_include_pad=False))
        if self.radii:
            parts.append(context.mean(dim=(2, 3), keepdim=True).expand_as(context))
        return torch.cat([*parts, positions(context)], dim=1)


class ContextHead(nn.Module):
    """A small U-shaped network over the context maps, trained with the classifiers.

    Frozen features of a reconstructing encoder are local however far they are averaged; which
    place is sky is a matter of arrangement, and that has to be learned.

    Args:
        in_channels: Channels of the context maps.
        width: Channels of every level.
        num_levels: Halvings of the maps.
        out_channels: Channels of the result.
        num_classes: Classes of :attr:`classify`, which gives the head a loss of its own.
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 64,
        num_levels: int = 3,
        out_channels: int = 48,
        num_classes: int = 3,
    ) -> None:
        super().__init__()
        self.num_channels = out_channels
        self.normalize = nn.BatchNorm2d(in_channels, affine=False)
        self.stem = _unit(in_channels + 2, width, 1)
        self.down = nn.ModuleList(ContextBlock(width) for _ in range(num_levels + 1))
        self.up = nn.ModuleList(_unit(2 * width, width, 3) for _ in range(num_levels))
        self.out = nn.Conv2d(width, out_channels, 1)
        self.classify = nn.Conv2d(out_channels, num_classes, 1)
        # Whole channels: a head that leans on few of them overfits a thousand photos.
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


def make_context(kind: ContextKind, num_channels: int, width: int = 64) -> nn.Module:
    """Builds the context of a kind.

    Args:
        kind: ``"none"``, ``"blocks"`` (:class:`BlockContext`), ``"pooled"`` (the same with means
            over windows and the picture) or ``"head"`` (:class:`ContextHead`).
        num_channels: Channels of the context maps.
        width: Width of the head.

    Raises:
        InputError: If there is no such kind.
    """
    if kind == "none":
        return NoContext()
    if kind == "blocks":
        return BlockContext(num_channels)
    if kind == "pooled":
        return BlockContext(num_channels, (1, 3, 7))
    if kind == "head":
        return ContextHead(num_channels, width)
    raise InputError(f"context must be none, blocks, pooled or head, got {kind}")


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
