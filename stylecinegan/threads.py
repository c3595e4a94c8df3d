"""Pools of threads that share the processor's cores with each other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import torch


@contextmanager
def thread_pool(num_threads: int, name: str, *, num_cores: int = 1) -> Iterator[ThreadPoolExecutor]:
    """A pool whose operations of PyTorch keep to a number of cores each.

    Many small operations one after another do not keep all cores busy, however they are split up;
    several rows of them side by side do. The caller's own operations keep all cores.

    Args:
        num_threads: Threads of the pool.
        name: What a debugger calls them.
        num_cores: For the operations of each.

    Yields:
        The pool. Work that has not begun at the end of the block is dropped.
    """
    started = Barrier(num_threads + 1)

    def start() -> None:
        # A thread takes over the number that was set last when it first asks for it.
        torch.set_num_threads(num_cores)
        torch.get_num_threads()
        started.wait()

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(num_threads, name, initializer=start)
    try:
        for _ in range(num_threads):
            pool.submit(bool)
        started.wait()
        torch.set_num_threads(before)
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
