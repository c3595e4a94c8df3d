import sys

import pytest

from tests.processes import run

PROGRAM = """
import gc, os
from stylecinegan.cli.main import run
try:
    run("generate")
except SystemExit as error:
    assert "nowhere.jpg" in str(error), error
print(gc.isenabled(), gc.get_freeze_count() > 100_000, os.environ["OMP_WAIT_POLICY"])
"""


def test_a_command_collects_garbage_but_not_among_modules_and_lets_waiting_threads_sleep(
    monkeypatch,
):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    done = run(sys.executable, "-c", PROGRAM, "photo=nowhere.jpg")
    assert done.stdout.split() == ["True", "True", "PASSIVE"], done.stderr


def test_a_users_wait_policy_of_openmp_stays():
    done = run(sys.executable, "-c", PROGRAM, "photo=nowhere.jpg", OMP_WAIT_POLICY="ACTIVE")
    assert done.stdout.split()[-1] == "ACTIVE", done.stderr


LIBRARIES = """
import sys, threading
from pathlib import Path
from stylecinegan.cli.libraries import load_libraries
load_libraries()
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
print("torch" in sys.modules, "libtorch_python" in Path("/proc/self/maps").read_text())
import torch
print(torch.ones(3).sum().item())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is loaded")
def test_pytorchs_libraries_are_loaded_before_its_import():
    done = run(sys.executable, "-c", LIBRARIES)
    assert done.stdout.split() == ["False", "True", "3.0"], done.stderr


DEFERRED = """
import sys
from stylecinegan.cli.libraries import defer_meta_kernels
defer_meta_kernels()
import torch
print(torch.ones(3).sum().item(), "torch._prims" in sys.modules)
print(torch._meta_registrations.meta_mm.__name__, "torch._prims" in sys.modules)
print(torch.empty(2, 3, device="meta").logcumsumexp(1).shape[1])
"""


def test_kernels_of_tensors_without_data_are_imported_when_they_are_used():
    done = run(sys.executable, "-c", DEFERRED)
    assert done.stdout.split() == ["3.0", "False", "meta_mm", "True", "3"], done.stderr


def test_wrong_settings_are_reported_before_pytorch_is_imported():
    program = """
import sys
from stylecinegan.cli.main import run
try:
    run("generate")
except SystemExit as error:
    print(error, "torch" in sys.modules)
"""
    done = run(sys.executable, "-c", program, "photo=lake.jpg", "num_frames=[2]")
    assert done.stdout.strip() == "error: num_frames must be a number, got [2] False", done.stderr


KEPT = """
import resource, sys
import numpy as np
from stylecinegan.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
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
from stylecinegan.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def allocate():
    pictures = [np.ones(3 << 20) for _ in range(4)]  # more than a heap of glibc's holds
pool = ThreadPoolExecutor(1)
pool.submit(allocate).result()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    pool.submit(allocate).result()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
@pytest.mark.parametrize("program", [KEPT, KEPT_BY_THREADS])
def test_freed_memory_is_used_again_without_asking_the_system_for_it(program):
    asked, kept = (
        int(run(sys.executable, "-c", program, word, GLIBC_TUNABLES="").stdout)
        for word in ("return", "keep")
    )
    assert kept < asked / 2
