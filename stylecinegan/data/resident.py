"""Batches of photos that are decoded once and stay on the device."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylecinegan.data.landscapes import Landscapes
from stylecinegan.errors import InputError


class ResidentBatches:
    """Infinite batches of square photos that stay on the device as bytes.

    For training steps faster than reading, e.g. 1,000 pictures per second; 5,000 photos of 256
    pixels take 1 GB. Photos are centre-cropped; each sample is mirrored with probability 1/2.

    Args:
        dataset: Gives the photos and the side of the crops.
        batch_size: Samples a step.
        device: Device of the photos.
        seed: Seed of the order.

    Raises:
        InputError: If a batch is larger than the data set.
    """

    def __init__(
        self,
        dataset: Landscapes,
        *,
        batch_size: int,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        if batch_size > len(dataset.names):
            raise InputError(
                f"batch_size must be at most the {len(dataset.names)} photos, got {batch_size}"
            )
        dataset.folder.read(dataset.names[0])  # opens a zip file before the threads do
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow releases the GIL while decoding
            pictures = list(pool.map(lambda name: _square(dataset, name), dataset.names))
        photos = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
        self.photos = photos.to(device)
        self._batch_size = batch_size
        self._seed = seed
        self._position = 0

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yields ``image``, float32, ``[B, 3, S, S]``, [-1, 1]."""
        device = self.photos.device
        count = len(self.photos)
        while True:
            epoch, first = divmod(self._position, count)
            order = torch.cat([self._order(epoch), self._order(epoch + 1)])
            indices = order[first : first + self._batch_size]
            mirrored = torch.rand(self._batch_size, 1, 1, 1) < 0.5
            self._position += self._batch_size
            image = self.photos[indices.to(device, non_blocking=True)]
            image = torch.where(mirrored.to(device, non_blocking=True), image.flip(3), image)
            yield {"image": image.float().div_(127.5).sub_(1.0)}

    def state_dict(self) -> dict[str, Any]:
        """Returns the position: samples used so far."""
        return {"position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a position of :meth:`state_dict`."""
        self._position = state["position"]

    def _order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        return torch.randperm(len(self.photos), generator=generator)


def _square(dataset: Landscapes, name: str) -> np.ndarray:
    """Reads a photo, centre-crops it to a square and resizes it, ``[S, S, 3]``."""
    picture = Image.fromarray(dataset.folder.read(name))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    size = (dataset.crop, dataset.crop)
    if picture.size == size:
        return np.asarray(picture)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS, box))
