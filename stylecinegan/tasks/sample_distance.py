"""Fréchet distance of samples to photos, measured during training."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stylecinegan.generator import Generator
from stylecinegan.metrics.frechet import FeatureStatistics

_BATCH = 50


class SampleDistance:
    """Fréchet distance of samples to the first photos of a training run.

    Args:
        features: Feature network.
        num_pictures: Number of samples and of photos.
    """

    def __init__(self, features: nn.Module, num_pictures: int) -> None:
        self._features = features
        self._num_pictures = num_pictures
        self._real: FeatureStatistics | None = None
        self._num_real = 0

    @torch.no_grad()
    def add_photos(self, photos: Tensor) -> None:
        """Adds photos, ``[B, 3, H, W]``, to the reference statistics until they are complete."""
        photos = photos[: self._num_pictures - self._num_real]
        if len(photos):
            self._real = self._real or FeatureStatistics(self._features)
            self._real.add(photos)
            self._num_real += len(photos)

    @torch.no_grad()
    def measure(self, render: Callable[[Tensor], Tensor], style_dim: int) -> dict[str, float]:
        """Measures samples of fixed latent codes.

        Args:
            render: Function from z, ``[B, style_dim]``, on the CPU, to pictures as those of
                :meth:`add_photos`.
            style_dim: Length of z.

        Returns:
            The distance as ``"frechet"``; nothing while there are fewer photos than needed.
        """
        if self._real is None or self._num_real < self._num_pictures:
            return {}
        drawn = torch.Generator().manual_seed(0)
        fake = FeatureStatistics(self._features)
        for first in range(0, self._num_pictures, _BATCH):
            count = min(_BATCH, self._num_pictures - first)
            fake.add(render(torch.randn(count, style_dim, generator=drawn)))
        return {"frechet": self._real.distance(fake)}

    def measure_generator(self, generator: Generator) -> dict[str, float]:
        """Measures whole pictures, not truncated (the rest as in :meth:`measure`)."""
        device = generator.w_mean.device

        def render(z: Tensor) -> Tensor:
            w = generator.mapping(z.to(device))
            return generator(generator.repeat_w(w)).clamp(-1.0, 1.0)

        return self.measure(render, generator.style_dim)


@torch.no_grad()
def sample_pictures(generator: Generator, count: int, *, truncation: float) -> Tensor:
    """Samples of the seeds from 0 on, ``[count, 3, R, R]`` in [-1, 1]."""
    codes = [generator.sample_w_plus(seed, truncation=truncation) for seed in range(count)]
    pictures = [generator(part).clamp(-1.0, 1.0) for part in torch.cat(codes).split(16)]
    return torch.cat(pictures)
