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
        components: Unit row vectors, ``[num_components, style_dim]``.
        deviations: Standard deviation of w along each, ``[num_components]``.
    """

    components: Tensor
    deviations: Tensor

    def offset(self, sliders: Mapping[int, float]) -> Tensor:
        """Offset of a latent code, ``Σ_k a_k σ_k v_k`` for sliders a_k.

        Args:
            sliders: a_k in standard deviations, by component number k from 1 on.

        Returns:
            ``[style_dim]``.

        Raises:
            InputError: If a component does not exist.
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
    """Directions of the style sliders: principal components of w over samples of z.

    For a generator with an appearance head they are the components of its descriptor, which are
    principal components over the training photos.

    Args:
        generator: The generator, whose mapping network is sampled.
        num_samples: Number of sampled codes.
        seed: Seed; the samples do not depend on the device.
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
    """Principal components of w, also for generators with an appearance head.

    Args:
        generator: The generator, whose mapping network is sampled.
        num_samples: Number of sampled codes.
        seed: Seed; the samples do not depend on the device.
    """
    z = torch.randn(num_samples, generator.style_dim, generator=torch.Generator().manual_seed(seed))
    w = generator.mapping(z.to(generator.w_mean.device)).double()
    variances, vectors = torch.linalg.eigh(torch.cov(w.t()).view(w.shape[1], w.shape[1]))
    components = vectors.t().flip(0)
    # The sign of an eigenvector is arbitrary: the largest entry is made positive, so that sliders
    # have the same direction on every machine.
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    components = components * torch.where(largest < 0, -1.0, 1.0)
    return StyleDirections(components.float(), variances.flip(0).clamp(min=0.0).sqrt().float())
