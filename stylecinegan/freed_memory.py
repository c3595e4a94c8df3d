"""Memory that a process has freed: kept for its next use, or returned to the system."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
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
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_ARENA_MAX, 1)


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
