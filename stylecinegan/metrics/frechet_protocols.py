"""Named protocols of Fréchet distances; the name fixes network, features and input.

A column is named by the protocol and the number of samples, ``fid_pytorch_fid_5000``: distances
grow as the number falls, so they can only be compared under the same name.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from stylecinegan.errors import InputError
from stylecinegan.losses.adversarial import SqueezeNetFeatures
from stylecinegan.metrics.frechet import FeatureStatistics, I3DFeatures, InceptionFeatures

logger = logging.getLogger(__name__)

FID = "fid_pytorch_fid"
"""FID of ``pytorch_fid`` 0.3.0: its Inception, 2048 features, 8-bit pictures resized to 299 without
antialiasing."""

FVD = "fvd_i3d_16f"
"""FVD of StyleGAN-V: its I3D file, 400 features, 16 frames of 8 bits, resized to 224."""

SQUEEZENET = "frechet_squeezenet_fire9"
"""Fréchet distance of the mean features ``fire9`` (512) of SqueezeNet 1.0; not FID."""

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    FID: InceptionFeatures,
    FVD: I3DFeatures,
    SQUEEZENET: SqueezeNetFeatures,
}


@dataclass(frozen=True)
class FrechetProtocol:
    """A named protocol and its network.

    Args:
        name: One of :data:`NETWORKS`.
        weights: The network's file; by default in torch's download cache.

    Raises:
        InputError: If the name is unknown or the weights are missing.
    """

    name: str
    weights: str | Path | None = None
    network: nn.Module = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Builds the network."""
        if self.name not in NETWORKS:
            raise InputError(f"protocol must be one of {', '.join(NETWORKS)}, got {self.name}")
        weights = () if self.weights is None else (self.weights,)
        object.__setattr__(self, "network", NETWORKS[self.name](*weights).eval())

    def statistics(self) -> FeatureStatistics:
        """Creates empty statistics of a set."""
        return FeatureStatistics(self.network)

    def column(self, count: int) -> str:
        """Name of the column of distances between sets of ``count`` samples."""
        return f"{self.name}_{count}"


def picture_protocols(squeezenet: str | Path | None) -> list[FrechetProtocol]:
    """Creates the protocols for pictures whose weights are available.

    Args:
        squeezenet: ``.npz`` of SqueezeNet 1.0; by default without its protocol.
    """
    protocols: list[FrechetProtocol] = []
    try:
        protocols.append(FrechetProtocol(FID))
    except InputError as error:
        logger.warning("no FID: %s", error)
    if squeezenet is not None:
        protocols.append(FrechetProtocol(SQUEEZENET, squeezenet))
    return protocols


def seeds_of_run(run: int, count: int) -> range:
    """Seeds of a run's samples, disjoint between runs."""
    return range(run * count, (run + 1) * count)
