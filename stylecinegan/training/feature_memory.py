"""Features of inverted photos, kept so that many steps can learn from one inversion."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PixelSamples:
    """What is kept of photos, half precision where it is a feature.

    Attributes:
        context: Context maps, ``[B, C', h, w]``.
        classes: Share of each class in the pixels of these maps, ``[B, classes, h, w]``.
        pixels: D* of sampled pixels, ``[B, P, C]``.
        points: Where they lie, ``[B, P, 2]``, (x, y) in [-1, 1].
        labels: Their classes, ``[B, P]``.
        index: Which photos these are, ``[B]``.
    """

    context: Tensor
    classes: Tensor
    pixels: Tensor
    points: Tensor
    labels: Tensor
    index: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """The fields in order."""
        return (self.context, self.classes, self.pixels, self.points, self.labels, self.index)


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
        for fields in zip(*samples.tensors(), strict=True):
            # Clones, since a view would keep its whole batch alive.
            one = PixelSamples(*(field.clone() for field in fields))
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
        fields = [torch.stack(parts) for parts in zip(*chosen, strict=True)]
        return PixelSamples(
            *(field.float() if field.is_floating_point() else field for field in fields)
        )
