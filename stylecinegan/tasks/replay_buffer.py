"""Features of inverted photos, kept so that many steps can learn from one inversion."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class PixelSamples:
    """What is kept of photos, half precision where it is a feature.

    Attributes:
        pixels: D* of sampled pixels with its context, ``[B, P, C]``.
        labels: Their classes, ``[B, P]``.
        index: Which photos these are, ``[B]``.
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


class FeatureMemory:
    """Ring of samples; the newest photos replace the oldest.

    Args:
        capacity: Photos.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._samples: list[PixelSamples] = []
        self._position = 0

    def __len__(self) -> int:
        """Number of photos in memory."""
        return len(self._samples)

    def add(self, samples: PixelSamples) -> None:
        """Takes the photos of a batch."""
        for values in zip(*samples.tensors(), strict=True):
            # Clones, since a view would keep its whole batch alive.
            one = PixelSamples(*(value.clone() for value in values))
            if len(self._samples) < self.capacity:
                self._samples.append(one)
            else:
                self._samples[self._position] = one
                self._position = (self._position + 1) % self.capacity

    def draw(self, count: int) -> PixelSamples:
        """Draws photos, with the global random generator; features come back as float32."""
        return self.take(torch.randint(len(self._samples), (count,)).tolist())

    def take(self, places: list[int]) -> PixelSamples:
        """Collects the photos at some places of the ring."""
        chosen = [self._samples[place].tensors() for place in places]
        values = [torch.stack(parts) for parts in zip(*chosen, strict=True)]
        return PixelSamples(
            *(value.float() if value.is_floating_point() else value for value in values)
        )


def bootstrap(index: Tensor, members: int) -> Tensor:
    """How often each photo counts for each member, ``[members, B]``: Poisson draws of mean 1."""
    # A hash, as a table of all photos and members would have to be carried along.
    keys = (index.unsqueeze(0) + 1) * 7919 + (torch.arange(members).unsqueeze(1) + 1) * 104729
    uniform = (torch.frac(torch.sin(keys.double()) * 43758.5453)).abs()
    thresholds = torch.tensor([0.3679, 0.7358, 0.9197, 0.9810])
    return (uniform.unsqueeze(2) > thresholds).sum(dim=2).float()
