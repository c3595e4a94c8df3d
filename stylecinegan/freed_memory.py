"""Memory that a process has freed: kept for its next use, or returned to the system."""

import ctypes
import sys
from collections.abc import Mapping

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8
"""Numbers of glibc's parameters, see ``man mallopt``."""

_KEPT_BYTES = 1 << 30
_LARGEST_BYTES = 32 << 20
"""The largest that glibc takes: a picture of 1600x1600 in float32."""


def keep_freed_memory() -> None:
    """Has glibc keep freed memory instead of returning it to the system.

    A frame of the loop otherwise gets its memory from the system anew, which clears every page:
    a fifth of the processor time of rendering. Up to a gigabyte is kept, which adds a twentieth
    to the peak; larger pictures than 1600x1600 are returned as before. All threads share one heap:
    glibc returns large parts of their own heaps whatever the threshold, which doubled the page
    faults of the mask prediction and added a tenth to the peak. Other C libraries are left alone.
    """
    parameters = {_TRIM_THRESHOLD: _KEPT_BYTES, _MMAP_THRESHOLD: _LARGEST_BYTES, _ARENA_MAX: 1}
    _set_parameters(parameters)


def keep_all_freed_memory() -> None:
    """Has glibc keep freed memory of any size, for training.

    Every step frees and allocates the same gigabytes; page faults take a quarter of a training step
    on a CPU (5.6 against 7.4 pictures per second, experiment=generator_reconstruction, one core).
    """
    _set_parameters({_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**28})


def _set_parameters(values: Mapping[int, int]) -> None:
    """Sets parameters of glibc's allocator; does nothing with other C libraries."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for number, value in values.items():
            mallopt(number, value)


def return_freed_memory() -> None:
    """Has glibc return all free memory to the system.

    Threads allocate from arenas of their own, which glibc shrinks only from the top: after a few
    dozen previews of the app, several hundred megabytes lie free below what is in use.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
