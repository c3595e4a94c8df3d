"""Perceptual distances of pictures in pairs: LPIPS, and one over fixed SqueezeNet features."""

import warnings
from pathlib import Path
from typing import Literal

import lpips
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.checkpoints import load_strictly, read_pickle
from stylecinegan.errors import InputError
from stylecinegan.losses.adversarial import SqueezeNetFeatures
from stylecinegan.losses.perceptual import TRUNKS
from stylecinegan.metrics.regions import MeanOver, as_stored, cover, mean_over
from stylecinegan.metrics.weights import find_weights

SIZES = {"vgg": "528 MB", "alex": "233 MB"}
"""Of the trunks' files, as torchvision states them."""


class _FeatureMetric(nn.Module):
    """A distance that is a mean over maps of several layers; arguments as of ``RMSE``."""

    name: str

    def maps(self, actual: Tensor, expected: Tensor) -> list[Tensor]:
        """Distances of every place, ``[B, 1, h, w]`` a layer, of pictures in [-1, 1]."""
        raise NotImplementedError

    def combine(self, layers: Tensor) -> Tensor:
        """Makes ``[layers, B]`` one number a picture, ``[B]``."""
        raise NotImplementedError

    @torch.no_grad()
    def forward(
        self,
        actual: Tensor,
        expected: Tensor,
        region: Tensor | None = None,
        over: MeanOver = "picture",
    ) -> Tensor:
        """Compares ``[B, 3, H, W]`` in [-1, 1]; ``[B]``, 0 for equal pictures."""
        pictures = [as_stored(cover(image, region)) for image in (actual, expected)]
        maps = self.maps(*pictures)
        return self.combine(torch.stack([mean_over(values, region, over) for values in maps]))


class LPIPS(_FeatureMetric):
    """LPIPS, version 0.1 (Zhang et al. 2018), as the package ``lpips`` has it.

    Over a region, every layer's map is averaged with the region's share of its places as weights.

    Args:
        net: ``"alex"``, as the metric's authors advise for evaluation, or ``"vgg"``.
        use_unit_range: Feed [0, 1] instead of [-1, 1], for numbers beside those of projects that
            forgot to convert: they come out lower. Named in the output.
        trunk: torchvision's weights of the network; by default in torch's folder of downloads.

    Raises:
        InputError: If the network is another, or its weights are not there.
    """

    def __init__(
        self,
        net: Literal["alex", "vgg"] = "alex",
        *,
        use_unit_range: bool = False,
        trunk: str | Path | None = None,
    ) -> None:
        super().__init__()
        if net not in TRUNKS:
            raise InputError(f"net must be one of {', '.join(TRUNKS)}, got {net}")
        self.name = f"LPIPS {net}" + (" fed with [0, 1]" if use_unit_range else "")
        self.use_unit_range = use_unit_range
        path = find_weights(f"LPIPS with net={net}", TRUNKS[net], SIZES[net], trunk)
        with warnings.catch_warnings():
            # The package calls torchvision with keywords that are deprecated there.
            warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
            # A random trunk, or the package would download one.
            self.network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        self._load_trunk(path)
        self.network.eval().requires_grad_(False)

    def maps(self, actual: Tensor, expected: Tensor) -> list[Tensor]:
        """Distances of every place, weighted as LPIPS learnt it."""
        network = self.network
        weights = network.lins  # codespell:ignore lins
        if self.use_unit_range:
            actual, expected = (actual + 1.0) / 2.0, (expected + 1.0) / 2.0
        features = [network.net(network.scaling_layer(image)) for image in (actual, expected)]
        unit = [[lpips.normalize_tensor(map_) for map_ in maps] for maps in features]
        return [
            weigh((a - b).square()) for weigh, a, b in zip(weights, unit[0], unit[1], strict=True)
        ]

    def combine(self, layers: Tensor) -> Tensor:
        """The sum of the layers."""
        return layers.sum(dim=0)

    def _load_trunk(self, path: Path) -> None:
        weights = read_pickle(path)
        # The package cuts torchvision's "features.0.weight" into slices that keep the number.
        names = {
            name: f"features.{name.split('.', 1)[1]}" for name in self.network.net.state_dict()
        }
        chosen = {name: weights[theirs] for name, theirs in names.items() if theirs in weights}
        load_strictly(self.network.net, chosen, path)


class SqueezeNetDistance(_FeatureMetric):
    """Distance over fixed ImageNet features of SqueezeNet 1.0. It is not LPIPS.

    The mean over four layers of the squared distance of unit-length feature vectors: what
    ``perceptual_distance`` minimises in training, for each picture.

    Args:
        weights: ``.npz`` of SqueezeNet 1.0.

    Raises:
        InputError: If the file is missing or lacks a weight.
    """

    name = "SqueezeNet distance"

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        self.features = SqueezeNetFeatures(weights)

    def maps(self, actual: Tensor, expected: Tensor) -> list[Tensor]:
        """Squared distances of unit-length feature vectors."""
        return [
            (F.normalize(a, dim=1, eps=1e-5) - F.normalize(b, dim=1, eps=1e-5))
            .square()
            .sum(dim=1, keepdim=True)
            for a, b in zip(self.features(actual), self.features(expected), strict=True)
        ]

    def combine(self, layers: Tensor) -> Tensor:
        """The mean of the layers."""
        return layers.mean(dim=0)
