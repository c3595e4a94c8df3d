import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

# Imported before a group exists, because its functions keep the current group as a default
# argument. Otherwise an optimiser's first step imports it, the group and gloo's threads outlive
# destroy_process_group, and a thread that frees a tensor while Python exits aborts the process.
import torch.distributed.nn.functional
from torch import Tensor

from stylecinegan.errors import InputError, TrainingError
from stylecinegan.inputs import choose_device
from stylecinegan.training.peers import PeerWatch
from stylecinegan.training.rendezvous import join, read_rendezvous

_LOST = re.compile(r"gloo|NCCL|[Tt]imed out|[Cc]onnection|peer")
"""Parts of the backends' error messages about a lost or late process."""


def rank() -> int:
    """Returns the rank of this process, 0 without a group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Returns the number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process is the one that writes files and logs."""
    return rank() == 0


def local_device(name: str = "auto") -> torch.device:
    """Returns the device of this process.

    Args:
        name: ``"auto"`` takes the GPU of this process's local rank if there is one, ``"cuda"``
            demands it; anything else is a device's name.

    Raises:
        InputError: If this machine has no such device, or fewer GPUs than processes.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if name == "cuda" or (name == "auto" and torch.cuda.is_available()):
        num = torch.cuda.device_count()
        if 0 < num <= local_rank:
            raise InputError(
                f"wanted a GPU for each process of this machine, found {num}: "
                f"--nproc-per-node={num}, or device=cpu"
            )
        name = f"cuda:{local_rank}"
    return choose_device(name)


@contextmanager
def process_group(device: torch.device, *, timeout_s: float = 1800) -> Iterator[None]:
    """Joins the process group that ``torchrun`` started; leaves it when the block ends.

    Without ``RANK`` and ``WORLD_SIZE`` in the environment this process trains alone. GPU tensors
    are reduced by NCCL, CPU tensors (the flags of :func:`any_rank`) always by gloo, so that flags
    do not wait for the GPU. In a group, SIGTERM and SIGINT also end a process that waits for a lost
    one (:class:`PeerWatch`).

    Args:
        device: Device of this process.
        timeout_s: Seconds for which processes wait for each other, at the start and in every
            operation.

    Raises:
        InputError: If not all processes join in time.
        TrainingError: If one ends while the others wait for it.
    """
    rendezvous = read_rendezvous(os.environ)
    if rendezvous is None:
        yield
        return
    backend = "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    store = join(rendezvous, timeout_s=timeout_s)
    with PeerWatch(store, rendezvous.rank, rendezvous.world_size):
        with _lost_process_in_one_line():
            dist.init_process_group(
                backend,
                store=store,
                rank=rendezvous.rank,
                world_size=rendezvous.world_size,
                timeout=timedelta(seconds=timeout_s),
            )
        try:
            yield
        finally:
            dist.destroy_process_group()


@contextmanager
def _lost_process_in_one_line() -> Iterator[None]:
    """Turns the backends' errors about a lost process into one line."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not isinstance(error, dist.DistError) and not _LOST.search(text):
            raise
        number, reason = os.environ.get("RANK", "0"), text.splitlines()[0][:200]
        raise TrainingError(
            f"process {number} lost the others: the same command goes on from the last state "
            f"({reason})"
        ) from error


def average_(values: Tensor) -> Tensor:
    """Replaces a tensor, in place, by its mean over the processes."""
    if world_size() > 1:
        with _lost_process_in_one_line():
            dist.all_reduce(values)
        values.div_(world_size())
    return values


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any process; the same on all of them."""
    if world_size() == 1:
        return flag
    flags = torch.tensor(int(flag))
    with _lost_process_in_one_line():
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return bool(flags.item())


def gather(value: Any) -> list[Any]:
    """Gathers one small object from every process, in the order of their ranks, on all of them."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    with _lost_process_in_one_line():
        dist.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    """Barrier: waits until every process has called it."""
    if world_size() > 1:
        any_rank(False)
