"""SqueezeNet 1.0 (Iandola et al. 2016), a small ImageNet classifier."""

import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.errors import InputError

MEAN_BGR = (104.0, 117.0, 123.0)
"""Mean of ImageNet's pictures in [0, 255], which is subtracted from the input."""

# Channels of the input, of the squeeze layer, and of each of the two expand layers.
_FIRES = {
    2: (96, 16, 64),
    3: (128, 16, 64),
    4: (128, 32, 128),
    5: (256, 32, 128),
    6: (256, 48, 192),
    7: (384, 48, 192),
    8: (384, 64, 256),
    9: (512, 64, 256),
}
_POOLED = (2, 5, 9)  # units whose input is max-pooled


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 up to one of its units, with random weights.

    Args:
        last: Number of the last unit, 2 to 9.
    """

    def __init__(self, last: int = 9) -> None:
        super().__init__()
        self.last = last
        self.conv1 = nn.Conv2d(3, 96, 7, 2, 3)
        for number in range(2, last + 1):
            self.add_module(f"fire{number}", Fire(*_FIRES[number]))
        mean = torch.tensor(MEAN_BGR).view(1, 3, 1, 1)
        self.mean: Tensor
        self.register_buffer("mean", mean, persistent=False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Computes the feature maps of ``[B, 3, H, W]`` in [-1, 1], by layer, ``conv1`` first."""
        x = F.relu(self.conv1((image.flip(1) + 1.0) * 127.5 - self.mean))
        maps = {"conv1": x}
        for number in range(2, self.last + 1):
            if number in _POOLED:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            x = self.get_submodule(f"fire{number}")(x)
            maps[f"fire{number}"] = x
        return maps


class Fire(nn.Module):
    """Fire module: 1x1 reduction, then 1x1 and 3x3 expansion."""

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(in_channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, in_channels, H, W]`` to ``[B, 2 expanded, H, W]``."""
        x = F.relu(self.squeeze1x1(x))
        return F.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


def load_imagenet_weights(network: SqueezeNet, path: str | Path) -> None:
    """Loads ImageNet weights.

    Args:
        network: The network.
        path: ``.npz`` of ``conv1.weight``, ``fire2.squeeze1x1.weight``, …; others are ignored.

    Raises:
        InputError: If the file is missing or damaged or lacks a weight.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"SqueezeNet weights (.npz) expected at {path}, found no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} must hold weights of SqueezeNet as .npz: {error}") from error
    for name, parameter in network.named_parameters():
        if name not in found or found[name].shape != tuple(parameter.shape):
            raise InputError(f"{path} holds no weights of SqueezeNet 1.0 ({name} is missing)")
        parameter.data.copy_(torch.from_numpy(found[name]))
