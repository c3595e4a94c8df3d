import sys
from pathlib import Path

import pytest

from stylecinegan.freed_memory import return_freed_memory
from tests.processes import run


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


KEPT = """
import resource, sys
import numpy as np
from stylecinegan import freed_memory
if sys.argv[1] != "default":
    getattr(freed_memory, sys.argv[1])()
np.ones(3 << 20).sum()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(3 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


KEPT_BY_THREADS = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from stylecinegan import freed_memory
if sys.argv[1] != "default":
    getattr(freed_memory, sys.argv[1])()
def allocate():
    pictures = [np.ones(3 << 20) for _ in range(4)]  # more than a heap of glibc's holds
pool = ThreadPoolExecutor(1)
pool.submit(allocate).result()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    pool.submit(allocate).result()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a feature of glibc")
@pytest.mark.parametrize(
    ("program", "name"),
    [
        (KEPT, "keep_freed_memory"),
        (KEPT, "keep_all_freed_memory"),
        (KEPT_BY_THREADS, "keep_freed_memory"),
    ],
)
def test_kept_memory_causes_fewer_page_faults(program, name):
    default, kept = (
        int(run(sys.executable, "-c", program, word, GLIBC_TUNABLES="").stdout)
        for word in ("default", name)
    )
    assert kept < default / 2
