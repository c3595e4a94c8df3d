import sys
from pathlib import Path

import pytest

from stylecinegan.freed_memory import return_freed_memory


def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20


@pytest.mark.skipif(sys.platform != "linux", reason="only with glibc")
def test_memory_that_is_free_below_what_is_in_use_goes_back_to_the_system():
    return_freed_memory()
    before = resident_mib()
    blocks = [b"x" * 60_000 for _ in range(5000)]  # small enough for the heap
    assert resident_mib() > before + 250
    top = blocks[-1]  # the heap cannot shrink below it
    del blocks
    return_freed_memory()
    assert resident_mib() < before + 50
    del top
