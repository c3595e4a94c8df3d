"""Perceptual distances as modules, each under its own name."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from stylecinegan.errors import InputError
from stylecinegan.losses.adversarial import perceptual_distance

TRUNKS = {"vgg": "vgg16-397923af.pth", "alex": "alexnet-owt-7be5be79.pth"}
"""Files of torchvision's ImageNet weights that LPIPS needs."""


class FeatureDistance(nn.Module):
    """Distance over the maps of a feature network; not LPIPS, which fixes network and weights.

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
    """LPIPS (Zhang et al. 2018), version 0.1, where its trunk's weights are at hand.

    Args:
        net: ``"vgg"``, usual as a loss, or ``"alex"``.

    Raises:
        InputError: If the weights of the trunk are not there; nothing is downloaded.
    """

    def __init__(self, net: Literal["vgg", "alex"] = "vgg") -> None:
        super().__init__()
        if net not in TRUNKS:
            raise InputError(f"net must be one of {', '.join(TRUNKS)}, got {net}")
        path = Path(torch.hub.get_dir()) / "checkpoints" / TRUNKS[net]
        if not path.is_file():
            raise InputError(f"LPIPS needs torchvision's weights {path.name}, put them at {path}")
        import lpips  # takes seconds, as all of torchvision does, and few need it

        self.lpips = lpips.LPIPS(net=net, verbose=False).eval().requires_grad_(False)

    def forward(self, actual: Tensor, expected: Tensor) -> Tensor:
        """Compares ``[B, 3, H, W]`` in [-1, 1]; a scalar, 0 for equal pictures."""
        return self.lpips(actual, expected).mean()
