"""Replay buffer of deep features, so that an inversion is used in many updates."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class PixelSamples:
    """Sampled pixels of photos; features in half precision.

    Attributes:
        pixels: D* of the pixels, semantic features included, ``[B, P, C]``.
        labels: Their classes, ``[B, P]``.
        index: Indices of the photos, ``[B]``.
    """

    pixels: Tensor
    labels: Tensor
    index: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """The fields in order."""
        return tuple(self.as_batch().values())

    def as_batch(self) -> dict[str, Tensor]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class ReplayBuffer:
    """Ring buffer of pixel samples; new photos replace the oldest.

    Args:
        capacity: Number of photos.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._samples: list[PixelSamples] = []
        self._position = 0

    def __len__(self) -> int:
        """Number of photos in the buffer."""
        return len(self._samples)

    def add(self, samples: PixelSamples) -> None:
        """Adds the photos of a batch."""
        for values in zip(*samples.tensors(), strict=True):
            # Clones: a view would keep its whole batch alive.
            one = PixelSamples(*(value.clone() for value in values))
            if len(self._samples) < self.capacity:
                self._samples.append(one)
            else:
                self._samples[self._position] = one
                self._position = (self._position + 1) % self.capacity

    def draw(self, count: int) -> PixelSamples:
        """Draws photos by the global random generator; features are float32."""
        return self.take(torch.randint(len(self._samples), (count,)).tolist())

    def take(self, positions: list[int]) -> PixelSamples:
        """Collects the photos at given positions; features are float32."""
        chosen = [self._samples[position].tensors() for position in positions]
        values = [torch.stack(parts) for parts in zip(*chosen, strict=True)]
        return PixelSamples(
            *(value.float() if value.is_floating_point() else value for value in values)
        )


def bootstrap(index: Tensor, members: int) -> Tensor:
    """Bootstrap weights of photos for each member, ``[members, B]``: Poisson draws of mean 1."""
    # Hashed from photo and member, so that no table has to be stored.
    keys = (index.unsqueeze(0) + 1) * 7919 + (torch.arange(members).unsqueeze(1) + 1) * 104729
    uniform = (torch.frac(torch.sin(keys.double()) * 43758.5453)).abs()
    thresholds = torch.tensor([0.3679, 0.7358, 0.9197, 0.9810])  # P(X <= k) for k = 0 to 3
    return (uniform.unsqueeze(2) > thresholds).sum(dim=2).float()
