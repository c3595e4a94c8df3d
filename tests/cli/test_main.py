import sys

import pytest

from stylecinegan.cli.main import main
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


def test_modules_are_excluded_from_garbage_collection_and_waiting_threads_sleep(
    monkeypatch,
):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    done = run(sys.executable, "-c", PROGRAM, "photo=nowhere.jpg")
    assert done.stdout.split() == ["True", "True", "PASSIVE"], done.stderr


def test_a_wait_policy_of_openmp_set_by_the_user_is_kept():
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


@pytest.mark.skipif(sys.platform != "linux", reason="loaded libraries are read from /proc")
def test_pytorch_s_libraries_are_loaded_without_importing_it():
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


def test_invalid_settings_are_reported_before_pytorch_is_imported():
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["photo=a.jpg", "size=64"],
            "a command is missing: stylecinegan generate photo=a.jpg size=64",
        ),
        (["genrat"], "no command genrat; did you mean generate?"),
        (["xyz"], "no command xyz; one of generate, style_sheet"),
    ],
)
def test_a_command_that_is_missing_or_misspelt_is_named(monkeypatch, arguments, message):
    monkeypatch.setattr("sys.argv", ["stylecinegan", *arguments])
    with pytest.raises(SystemExit, match=message):
        main()
