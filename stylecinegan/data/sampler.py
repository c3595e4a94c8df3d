from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from torch.utils.data import Sampler


class CounterSampler(Sampler[int]):
    """Counters of an infinite sequence: this process's share of each global batch.

    Sample ``c`` of a run is determined by (seed, c), see :func:`picture_of`. Processes take
    consecutive slices of every global batch, so the batches depend neither on the number of
    processes nor on where a run was resumed.

    Args:
        batch_size: Samples per step over all processes.
        rank: Number of this process.
        world_size: Number of processes.
        position: Number of samples that all processes have used so far.

    Raises:
        ValueError: If the batch does not divide among the processes.
    """

    def __init__(
        self, batch_size: int, *, rank: int = 0, world_size: int = 1, position: int = 0
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise ValueError(
                f"batch_size must be a positive multiple of the {world_size} processes, "
                f"got {batch_size}"
            )
        self.batch_size = batch_size
        self.share = batch_size // world_size
        self.rank = rank
        self.position = position

    def __iter__(self) -> Iterator[int]:
        """Yields counters, infinitely."""
        start = self.position + self.rank * self.share
        while True:
            yield from range(start, start + self.share)
            start += self.batch_size


def picture_of(counter: int, num_pictures: int, seed: int) -> int:
    """Index of the picture of sample ``counter``: each epoch is a permutation by (seed, epoch)."""
    epoch, place = divmod(counter, num_pictures)
    return int(_permutation(num_pictures, seed, epoch)[place])


# More than one, because the samples of two epochs may alternate.
@lru_cache(maxsize=4)
def _permutation(num_pictures: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(num_pictures)
