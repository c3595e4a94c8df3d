"""Network of LPIPS, version 0.1 (Zhang et al. 2018).

The convolutions are those of torchvision's AlexNet or VGG16, the linear layers those of the package
``lpips``. The package's own class is not used, because it needs torchvision's complete files.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from stylecinegan.backbones.lpips_trunks import DIGESTS, Net, digest, find_trunk, read_trunk
from stylecinegan.checkpoints.own_files import load_strictly
from stylecinegan.checkpoints.torch_files import read_pickle
from stylecinegan.errors import InputError

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation for pictures in [-1, 1], rounded as in the package."""


class LPIPSNetwork(nn.Module):
    """LPIPS as maps: weighted squared differences of the features after five layers of a trunk.

    Args:
        net: ``"alex"`` or ``"vgg"``.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.features = _alexnet() if net == "alex" else _vgg16()
        self.taps = (1, 4, 7, 9, 11) if net == "alex" else (3, 8, 15, 22, 29)
        widths = (64, 192, 384, 256, 256) if net == "alex" else (64, 128, 256, 512, 512)
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in widths)
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1), persistent=False)

    def forward(self, actual: Tensor, expected: Tensor) -> list[Tensor]:
        """Compares ``[B, 3, H, W]`` in [-1, 1].

        Returns:
            ``[B, 1, h, w]`` a layer, from fine to coarse. LPIPS is the sum of their means.
        """
        pairs = zip(self.heads, self._unit(actual), self._unit(expected), strict=True)
        return [head((a - b).square()) for head, a, b in pairs]

    def _unit(self, image: Tensor) -> list[Tensor]:
        x = (image - self.shift) / self.scale
        maps: list[Tensor] = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                maps.append(x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10))
        return maps


def load_lpips(net: Net, trunk: str | Path | None = None, *, check: bool = True) -> LPIPSNetwork:
    """Builds the network with the published weights.

    Args:
        net: ``"alex"`` or ``"vgg"``.
        trunk: File of the convolutions, see :mod:`stylecinegan.backbones.lpips_trunks`; by default
            in torch's folder of downloads.
        check: Refuses convolutions that are not the published ones.

    Returns:
        The network, frozen, in evaluation mode.

    Raises:
        InputError: If ``net`` is unknown, or weights are missing or not the published ones.
    """
    if net not in DIGESTS:
        raise InputError(f"net must be one of vgg, alex, got {net}")
    path = find_trunk(net, trunk)
    weights = read_trunk(net, path)
    if check and (found := digest(weights)) != DIGESTS[net]:
        raise InputError(
            f"LPIPS with net={net} needs the published convolutions, SHA-256 {DIGESTS[net][:8]}…, "
            f"found others in {path}, {found[:8]}…"
        )
    network = LPIPSNetwork(net)
    load_strictly(network, {**weights, **_read_heads(net)}, path)
    return network.eval().requires_grad_(False)


def _read_heads(net: Net) -> dict[str, Tensor]:
    # The package is found, not imported: that takes seconds, as all of torchvision does.
    package = find_spec("lpips")
    if package is None or not package.submodule_search_locations:
        raise InputError(
            "LPIPS needs the package lpips, found none: pip install 'stylecinegan[eval]'"
        )
    file = Path(package.submodule_search_locations[0]) / f"weights/v0.1/{net}.pth"
    linear = read_pickle(file)
    return {f"heads.{number}.weight": linear[f"lin{number}.model.1.weight"] for number in range(5)}


def _alexnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


def _vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers[:-1])  # not used by LPIPS
