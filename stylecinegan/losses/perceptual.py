"""Perceptual distances as modules."""

from pathlib import Path

import torch
from torch import Tensor, nn

from stylecinegan.backbones.lpips import load_lpips
from stylecinegan.backbones.lpips_trunks import Net
from stylecinegan.losses.adversarial import perceptual_distance


class FeatureDistance(nn.Module):
    """Distance of the features of a network (:func:`perceptual_distance`), which is not LPIPS.

    Args:
        features: Maps pictures to a list of feature maps, e.g. ``SqueezeNetFeatures``.
    """

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, actual: Tensor, expected: Tensor) -> Tensor:
        """Compares ``[B, 3, H, W]`` in [-1, 1]; a scalar, 0 for equal pictures."""
        return perceptual_distance(self.features, actual, expected)


class LPIPSDistance(nn.Module):
    """LPIPS (Zhang et al. 2018), version 0.1; needs the weights of its trunk.

    Args:
        net: ``"vgg"``, usual as a loss, or ``"alex"``.
        trunk: File of the trunk, see :func:`~stylecinegan.backbones.lpips_trunks.load_lpips`.

    Raises:
        InputError: If the weights of the trunk are missing; nothing is downloaded.
    """

    def __init__(self, net: Net = "vgg", trunk: str | Path | None = None) -> None:
        super().__init__()
        self.lpips = load_lpips(net, trunk)

    def forward(self, actual: Tensor, expected: Tensor) -> Tensor:
        """Compares ``[B, 3, H, W]`` in [-1, 1]; a scalar, 0 for equal pictures."""
        return torch.stack([map_.mean() for map_ in self.lpips(actual, expected)]).sum()
