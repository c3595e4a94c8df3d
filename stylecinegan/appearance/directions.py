"""Semantic directions of a generator without labels (GANSpace, Härkönen et al. 2020)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.generator import Generator


@dataclass(frozen=True)
class StyleDirections:
    """Principal components of w, the strongest first.

    Attributes:
        components: Unit vectors, ``[num_components, style_dim]``, one a row.
        deviations: Standard deviation of w along each, ``[num_components]``.
    """

    components: Tensor
    deviations: Tensor

    def offset(self, sliders: Mapping[int, float]) -> Tensor:
        """What sliders add to a latent code.

        Args:
            sliders: Standard deviations by the component's number, from 1 on.

        Returns:
            ``[style_dim]``.

        Raises:
            InputError: If there is no component of a number.
        """
        offset = torch.zeros_like(self.components[0])
        for number, amount in sliders.items():
            if not 1 <= number <= len(self.components):
                raise InputError(
                    f"style sliders go from pc1 to pc{len(self.components)}, got pc{number}"
                )
            offset += amount * self.deviations[number - 1] * self.components[number - 1]
        return offset


@torch.no_grad()
def find_directions(
    generator: Generator, num_samples: int = 10000, seed: int = 0
) -> StyleDirections:
    """The directions of the sliders: principal components of w over samples of z.

    The numbers of an appearance head are principal components already, over training photos.

    Args:
        generator: Its mapping network is sampled.
        num_samples: Codes to sample.
        seed: Fixes the samples, on any device.
    """
    if generator.appearance is not None:
        numbers = generator.appearance.num_components
        units = torch.eye(numbers, generator.style_dim, device=generator.w_mean.device)
        return StyleDirections(units, torch.ones(numbers, device=generator.w_mean.device))
    return principal_components(generator, num_samples, seed)


@torch.no_grad()
def principal_components(
    generator: Generator, num_samples: int = 10000, seed: int = 0
) -> StyleDirections:
    """The principal components of w itself, also where other directions are the sliders.

    Args:
        generator: Its mapping network is sampled.
        num_samples: Codes to sample.
        seed: Fixes the samples, on any device.
    """
    z = torch.randn(num_samples, generator.style_dim, generator=torch.Generator().manual_seed(seed))
    w = generator.mapping(z.to(generator.w_mean.device)).double()
    variances, vectors = torch.linalg.eigh(torch.cov(w.t()).view(w.shape[1], w.shape[1]))
    components = vectors.t().flip(0)
    # An eigenvector has no sign of its own; with its largest entry positive a slider keeps its
    # direction on every machine.
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    components = components * torch.where(largest < 0, -1.0, 1.0)
    return StyleDirections(components.float(), variances.flip(0).clamp(min=0.0).sqrt().float())
