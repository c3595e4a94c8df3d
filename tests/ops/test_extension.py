import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
import torch

from stylecinegan.ops import extension
from stylecinegan.ops.splatting import splat
from tests.processes import run_code

SPLAT = """
import logging
import torch
logging.basicConfig(format="%(levelname)s %(message)s")
from stylecinegan.ops.splatting import splat
feature = torch.arange(12.0).view(1, 1, 3, 4)
displacement = torch.full((1, 2, 3, 4), 0.5)
for _ in range(3):
    sums = splat(feature, displacement, backend=BACKEND)
print(sums.flatten().tolist())
"""


def start(backend, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", SPLAT.replace("BACKEND", repr(backend))],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_a_compiler_it_warns_once_and_gives_the_same_result(tmp_path):
    process = start("auto", PATH="", CXX="", XDG_CACHE_HOME=str(tmp_path / "empty"))
    output, errors = process.communicate()
    feature = torch.arange(12.0).view(1, 1, 3, 4)
    expected = splat(feature, torch.full((1, 2, 3, 4), 0.5), backend="native")
    assert errors.splitlines() == [
        "WARNING no C++ compiler on the PATH (g++, clang++) for the fast operators; "
        "PyTorch's own, slower operations give the same result"
    ]
    assert json.loads(output) == expected.flatten().tolist()


def test_of_the_processes_of_a_machine_one_says_that_there_is_no_compiler(tmp_path):
    outputs = []
    for variable in ("LOCAL_RANK", "SLURM_LOCALID"):
        numbers = [{variable: str(number)} for number in range(3)]
        empty = {"PATH": "", "CXX": "", "XDG_CACHE_HOME": str(tmp_path / "empty")}
        processes = [start("auto", **empty, **number) for number in numbers]
        outputs.append([process.communicate() for process in processes])
        assert len({result for result, _ in outputs[-1]}) == 1
    for group in outputs:
        (line,) = "".join(errors for _, errors in group).splitlines()
        assert line.startswith("WARNING no C++ compiler")


def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(extension.ExtensionError, match=f"cannot be compiled into {blocked}"):
        extension.build("cpu", blocked)


def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch):
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho 'error: out of ideas' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(extension.ExtensionError, match=r"do not compile .*error: out of ideas"):
        extension.build("cpu", tmp_path)
    assert not list(tmp_path.glob("*.so"))


def test_two_processes_may_compile_into_one_fresh_cache_at_once(tmp_path):
    processes = [start("native", XDG_CACHE_HOME=str(tmp_path)) for _ in range(2)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0] == outputs[1]
    (library,) = (tmp_path / "stylecinegan" / "operators").iterdir()
    assert library.suffix == ".so"


def test_many_threads_may_load_at_once():
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(extension.is_available("cpu")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_importing_the_package_compiles_nothing(tmp_path):
    code = "import stylecinegan.ops.splatting, stylecinegan.warping.joint_splatting"
    done = run_code(code, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_the_cuda_operators_compile_without_a_gpu(tmp_path):
    library = extension.build("cuda", tmp_path)
    assert library.read_bytes()[:4] == b"\x7fELF"
