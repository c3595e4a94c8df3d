import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

# Before any group exists: this module of PyTorch takes the group of the moment as the default of
# its functions. Optimisers import it at their first step, so that the group would outlive
# destroy_process_group, and with it gloo's threads: one that is late then frees a tensor while
# Python ends, which aborts the process.
import torch.distributed.nn.functional
from torch import Tensor


def rank() -> int:
    """Returns the number of this process among all, 0 where there is only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Returns the number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Tells whether this process is the one that writes files and logs."""
    return rank() == 0


def local_device(name: str = "auto") -> torch.device:
    """Returns the device of this process.

    Args:
        name: ``"auto"`` takes the GPU of this process's local rank if there is one, ``"cuda"``
            demands it; anything else is a device's name.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device("cuda", local_rank) if name == "cuda" else torch.device(name)


@contextmanager
def process_group(device: torch.device, *, timeout_minutes: float = 30) -> Iterator[None]:
    """Joins the processes that ``torchrun`` started, and leaves them at the end.

    Without ``RANK`` and ``WORLD_SIZE`` in the environment this process trains alone. GPU tensors
    travel through NCCL, CPU tensors (the flags of :func:`any_rank`) always through gloo, so that
    agreeing on a flag does not wait for the GPU.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield
        return
    backend = "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=timedelta(minutes=timeout_minutes))
    try:
        yield
    finally:
        dist.destroy_process_group()


def average_(values: Tensor) -> Tensor:
    """Replaces a tensor, in place, by its mean over the processes."""
    if world_size() > 1:
        dist.all_reduce(values)
        values.div_(world_size())
    return values


def any_rank(flag: bool) -> bool:
    """Tells every process whether the flag is set on any of them: they decide alike."""
    if world_size() == 1:
        return flag
    flags = torch.tensor(int(flag))
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return bool(flags.item())


def gather(value: Any) -> list[Any]:
    """Collects one small object of every process, in the order of their ranks, on all of them."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    """Waits until every process has come here."""
    if world_size() > 1:
        any_rank(False)
