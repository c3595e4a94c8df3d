"""U²-Net, the small variant (Qin et al. 2020, "U²-Net: Going Deeper with Nested U-Structure")."""

import zipfile
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.errors import InputError

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Statistics of ImageNet's pictures in [0, 1], by which the input is standardised."""

WIDTH, MIDDLE_WIDTH = 64, 16
HEIGHTS = (7, 6, 5, 4)
"""Levels of the residual U-blocks of the first four stages; the deeper ones are dilated."""


class U2Net(nn.Module):
    """U²-Net-p with any number of classes: 1.13 M weights, batch normalisation folded in.

    Five residual U-blocks as encoder, one as bottleneck and five as decoder. A 3x3 convolution of
    the bottleneck and of each decoder stage gives a side output; a 1x1 convolution of all side
    outputs, upsampled to the picture's size, gives the logits.

    Args:
        num_classes: Channels of every output.
    """

    def __init__(self, num_classes: int = 1) -> None:
        super().__init__()
        self.arguments = {"num_classes": num_classes}
        self.num_classes = num_classes
        widths = (3, WIDTH, WIDTH, WIDTH, WIDTH, WIDTH)
        heights = (*HEIGHTS, None, None)
        self.encoder = nn.ModuleList(
            ResidualUBlock(height, width) for height, width in zip(heights, widths, strict=True)
        )
        self.decoder = nn.ModuleList(ResidualUBlock(height, 2 * WIDTH) for height in heights[:5])
        self.sides = nn.ModuleList(nn.Conv2d(WIDTH, num_classes, 3, 1, 1) for _ in range(6))
        self.fuse = nn.Conv2d(6 * num_classes, num_classes, 1)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False
        )

    def forward(self, image: Tensor) -> Tensor:
        """Maps ``[B, 3, H, W]`` in [-1, 1] to logits, ``[B, num_classes, H, W]``."""
        return self.outputs(image)[0]

    def outputs(self, image: Tensor) -> list[Tensor]:
        """Logits of the network and of its six side outputs, fine to coarse.

        Returns:
            Seven maps ``[B, num_classes, H, W]``.
        """
        x = ((image + 1.0) / 2.0 - self.mean) / self.deviation
        maps = []
        for stage in self.encoder:
            x = stage(_pool(x) if maps else x)
            maps.append(x)
        decoded = [maps[5]]
        for stage, skipped in zip(reversed(self.decoder), reversed(maps[:5]), strict=True):
            enlarged = _enlarge(decoded[0], skipped)
            decoded.insert(0, stage(torch.cat([enlarged, skipped], dim=1)))
        sides = [_enlarge(side(x), image) for side, x in zip(self.sides, decoded, strict=True)]
        return [self.fuse(torch.cat(sides, dim=1)), *sides]


class ResidualUBlock(nn.Module):
    """Residual U-block (RSU-L): a small U-Net of 3x3 convolutions with a skip connection.

    Args:
        height: Levels L; ``None`` for the dilated form of four levels that keeps the resolution
            (RSU-4F), of dilations 1, 2, 4 and 8.
        in_channels: Channels of the input.
    """

    def __init__(self, height: int | None, in_channels: int) -> None:
        super().__init__()
        self.use_pooling = height is not None
        dilations = (1, 2, 4, 8) if height is None else (*(1 for _ in range(height - 1)), 2)
        widths = (WIDTH, *(MIDDLE_WIDTH for _ in dilations))
        self.first = _convolution(in_channels, WIDTH, 1)
        self.down = nn.ModuleList(
            _convolution(width, MIDDLE_WIDTH, dilation)
            for width, dilation in zip(widths, dilations, strict=False)
        )
        self.up = nn.ModuleList(
            _convolution(2 * MIDDLE_WIDTH, MIDDLE_WIDTH if level else WIDTH, dilation)
            for level, dilation in enumerate(dilations[:-1])
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, in_channels, H, W]`` to ``[B, 64, H, W]``."""
        # Activations are in place: at full resolution memory traffic takes most of the time.
        first = x = self.first(x).relu_()
        maps = []
        last = len(self.down) - 1
        for level, convolution in enumerate(self.down):
            # The bottom keeps the resolution of the level above it.
            x = convolution(_pool(x) if self.use_pooling and 0 < level < last else x).relu_()
            maps.append(x)
        for convolution, skipped in zip(reversed(self.up), reversed(maps[:-1]), strict=True):
            x = convolution(torch.cat([_enlarge(x, skipped), skipped], dim=1)).relu_()
        return x + first


def load_sky_weights(network: U2Net, path: str | Path) -> None:
    """Initialises a network with public sky segmentation weights.

    A network of one class becomes the public one, with logit s of the sky. With more, class 0 is
    static and 1 sky, and the logits are (0, s, b, …) with a constant b = -3: the sky's probability
    is about ``sigmoid(s)``.

    Args:
        network: The network.
        path: ``.npz`` of ``stage1.rebnconvin.weight``, …, ``side1.weight``, ``outconv.weight``
            with batch normalisation folded in; from github
            xiongzhu666/Sky-Segmentation-and-Post-processing (MIT).

    Raises:
        InputError: If the file is missing, damaged or of another network.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: torch.from_numpy(archive[name]).float() for name in archive.files}
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} must hold weights of U²-Net-p as .npz: {error}") from error
    for name, layer in _named_convolutions(network).items():
        for part in ("weight", "bias"):
            value = found.get(f"{name}.{part}")
            target = cast(Tensor, getattr(layer, part))
            if value is None:
                raise InputError(f"{path} holds no weights of U²-Net-p ({name}.{part} is missing)")
            if name.startswith(("side", "outconv")) and network.num_classes > 1:
                value = _widen(value, target, is_fuse=name == "outconv")
            if value.shape != target.shape:
                raise InputError(
                    f"{path} holds no weights of U²-Net-p ({name}.{part} is {list(value.shape)})"
                )
            target.data.copy_(value)


def add_classes(network: U2Net, num_classes: int) -> U2Net:
    """Copies a network and adds classes to it.

    The logits of an added class are initially those of the last one minus 2: an eighth of its odds.

    Args:
        network: The network to extend, which is not changed.
        num_classes: Number of classes, at least as many as it has.

    Returns:
        The extended copy.

    Raises:
        InputError: If it has more classes already.
    """
    wider, former = U2Net(num_classes), network.num_classes
    if num_classes < former:
        raise InputError(f"cannot turn {former} classes into {num_classes}")
    state = network.state_dict()
    source = [min(number, former - 1) for number in range(num_classes)]
    for name, value in state.items():
        if name.startswith("fuse.weight"):
            columns = [side * former + c for side in range(6) for c in source]
            # An added class reads its own side outputs, which are copies of the last class's.
            value = value[source][:, columns].unflatten(1, (6, num_classes)).clone()
            for row in range(num_classes):
                others = [c for c in range(former - 1, num_classes) if c != max(row, former - 1)]
                value[row, :, others] = 0.0
            state[name] = value.flatten(1, 2)
        elif name.startswith(("fuse", "sides")):
            state[name] = value[source].clone()
            if name == "fuse.bias":
                state[name][former:] -= 2.0
    wider.load_state_dict(state)
    return wider.train(network.training)


def _widen(value: Tensor, target: Tensor, *, is_fuse: bool) -> Tensor:
    """Extends the weights of a network of one class to several, of which it becomes class 1."""
    widened = torch.zeros_like(target)
    if value.ndim == 1:
        widened[1] = value[0]
        if is_fuse:
            widened[2:] = -3.0  # further classes are rare initially
    elif is_fuse:
        classes = len(target)
        for side in range(6):
            widened[1, classes * side + 1] = value[0, side]
            for other in range(2, classes):
                widened[other, classes * side + other] = value[0, side]
    else:
        widened[1] = value[0]
    return widened


def _named_convolutions(network: U2Net) -> dict[str, nn.Module]:
    """Convolutions by their names in the reference implementation."""
    named: dict[str, nn.Module] = {"outconv": network.fuse}
    named |= {f"side{number}": side for number, side in enumerate(network.sides, 1)}
    stages = [(f"stage{number}", stage) for number, stage in enumerate(network.encoder, 1)]
    stages += [(f"stage{number}d", stage) for number, stage in enumerate(network.decoder, 1)]
    for name, stage in stages:
        block = cast(ResidualUBlock, stage)
        named[f"{name}.rebnconvin"] = block.first
        named |= {f"{name}.rebnconv{n}": layer for n, layer in enumerate(block.down, 1)}
        named |= {f"{name}.rebnconv{n}d": layer for n, layer in enumerate(block.up, 1)}
    return named


def _convolution(in_channels: int, out_channels: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, 1, dilation, dilation)


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, ceil_mode=True)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear")
