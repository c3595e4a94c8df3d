"""Perceptual distances of pairs of pictures: LPIPS, and a distance of SqueezeNet features."""

from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.backbones.lpips import load_lpips
from stylecinegan.backbones.lpips_trunks import Net
from stylecinegan.losses.adversarial import SqueezeNetFeatures
from stylecinegan.metrics.regions import MeanOver, mask_out, mean_over, round_to_8_bits


class FeatureMetric(nn.Module):
    """A distance that combines the means of distance maps of several layers."""

    name: str

    def maps(self, actual: Tensor, expected: Tensor) -> list[Tensor]:
        """Distance maps, ``[B, 1, h, w]`` per layer, of pictures in [-1, 1]."""
        raise NotImplementedError

    def combine(self, layers: Tensor) -> Tensor:
        """Reduces ``[layers, B]`` to one number per picture, ``[B]``."""
        raise NotImplementedError

    @torch.no_grad()
    def forward(
        self,
        actual: Tensor,
        expected: Tensor,
        region: Tensor | None = None,
        over: MeanOver = "picture",
    ) -> Tensor:
        """Compares pictures in pairs; arguments as for ``RMSE``.

        Returns:
            Distances, ``[B]``, 0 for equal pictures.
        """
        return self.by_convention(actual, expected, region, [over])[over]

    @torch.no_grad()
    def by_convention(
        self,
        actual: Tensor,
        expected: Tensor,
        region: Tensor | None,
        conventions: Iterable[MeanOver],
    ) -> dict[MeanOver, Tensor]:
        """Distances ``[B]`` by convention, with features computed once."""
        pictures = [round_to_8_bits(mask_out(image, region)) for image in (actual, expected)]
        maps = self.maps(*pictures)
        return {
            over: self.combine(torch.stack([mean_over(values, region, over) for values in maps]))
            for over in conventions
        }


class LPIPS(FeatureMetric):
    """LPIPS 0.1 (Zhang et al. 2018), with the numbers of the package ``lpips``.

    Over a region, each position of a layer's map is weighted by the fraction of it inside.

    Args:
        net: ``"alex"``, which the metric's authors recommend for evaluation, or ``"vgg"``.
        use_unit_range: Feed [0, 1] instead of [-1, 1], to compare with projects that omit the
            conversion and so get lower numbers. Part of the metric's name.
        trunk: File of the network's convolutions; by default in torch's download cache. See
            :mod:`stylecinegan.backbones.lpips_trunks` for the kinds of files and their sources.
        check: Whether to refuse convolutions other than the published ones; otherwise the metric's
            name says that they are unchecked.

    Raises:
        InputError: If the network is unknown, or its weights are missing or not the published ones.
    """

    def __init__(
        self,
        net: Net = "alex",
        *,
        use_unit_range: bool = False,
        trunk: str | Path | None = None,
        check: bool = True,
    ) -> None:
        super().__init__()
        self.network = load_lpips(net, trunk, check=check)
        self.name = f"LPIPS {net}" + (" fed with [0, 1]" if use_unit_range else "")
        if not check:
            self.name += " (unchecked weights)"
        self.use_unit_range = use_unit_range

    def maps(self, actual: Tensor, expected: Tensor) -> list[Tensor]:
        """Distance maps, weighted over channels by LPIPS."""
        if self.use_unit_range:
            actual, expected = (actual + 1.0) / 2.0, (expected + 1.0) / 2.0
        return self.network(actual, expected)

    def combine(self, layers: Tensor) -> Tensor:
        """Sums over the layers."""
        return layers.sum(dim=0)


class SqueezeNetDistance(FeatureMetric):
    """Distance of ImageNet features of SqueezeNet 1.0; not LPIPS.

    The mean over four layers of the squared distance of unit-length feature vectors, as in
    :func:`~stylecinegan.losses.adversarial.perceptual_distance`, for each picture.

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
        """Averages over the layers."""
        return layers.mean(dim=0)
