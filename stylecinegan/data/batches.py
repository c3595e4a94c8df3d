import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from stylecinegan.data.landscapes import Landscapes
from stylecinegan.data.sampler import CounterSampler
from stylecinegan.errors import InputError


class Batches:
    """Infinite batches of a data set, read by worker processes, resumable at any step.

    Args:
        dataset: An infinite sequence of samples that has ``check_broken``.
        batch_size: Samples per step over all processes.
        rank: Number of this process.
        world_size: Number of processes.
        num_workers: Worker processes; 0 reads in this one.
        device: Device of the batches.
    """

    def __init__(
        self,
        dataset: Landscapes,
        *,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self._sampler = CounterSampler(batch_size, rank=rank, world_size=world_size)
        self._dataset = dataset
        self._num_workers = num_workers
        self._device = torch.device(device)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yields batches, ``image`` in float32, ``[B, 3, crop, crop]``, [-1, 1].

        Raises:
            InputError: If too many pictures are broken.
        """
        reader = iter(self._make_loader())
        try:
            for batch in reader:
                # Counted before the yield, because a state is saved after the step that uses it.
                self._sampler.position += self._sampler.batch_size
                yield {name: self._finish(tensor) for name, tensor in batch.items()}
        except InputError:
            # A worker's exception carries its traceback in the message; this raises one line.
            self._dataset.check_broken()
            raise
        finally:
            # Workers ignore SIGTERM (below), so they are shut down explicitly.
            with suppress(AttributeError):
                reader._shutdown_workers()  # pyright: ignore

    def state_dict(self) -> dict[str, Any]:
        """Returns the position: samples used so far, over all processes."""
        return {"position": self._sampler.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a position of :meth:`state_dict`."""
        self._sampler.position = state["position"]

    def _make_loader(self) -> DataLoader:
        workers: dict[str, Any] = {}
        if self._num_workers:
            # Only forked processes share the memory of the cache and of the broken pictures.
            workers = {
                "multiprocessing_context": "fork",
                "prefetch_factor": 4,
                "worker_init_fn": _ignore_signals,
            }
        return DataLoader(
            self._dataset,
            batch_size=self._sampler.share,
            sampler=self._sampler,
            num_workers=self._num_workers,
            pin_memory=self._device.type == "cuda",
            # A separate one, because the loader draws from it.
            generator=torch.Generator(),
            **workers,
        )

    def _finish(self, tensor: Tensor) -> Tensor:
        """Moves a tensor to the device; bytes are converted to [-1, 1] there, to save bandwidth."""
        tensor = tensor.to(self._device, non_blocking=True)
        return tensor.float().div_(127.5).sub_(1) if tensor.dtype == torch.uint8 else tensor


def _ignore_signals(_: int) -> None:
    """Ignores signals to the process group in a worker, since the last step needs its batch."""
    torch.set_num_threads(1)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
