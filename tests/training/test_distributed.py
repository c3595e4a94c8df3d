import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stylecinegan.training.run_state import load_latest_state
from tests.training import toy_task
from tests.training.toy_task import draw_landscapes

TOY = Path(__file__).with_name("toy_task.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def test_two_processes_equal_one_with_the_doubled_batch(tmp_path):
    photos = draw_landscapes(tmp_path / "photos")
    options = ["--num-steps", "6", "--batch-size", "4"]
    subprocess.run([*TORCHRUN, TOY, photos, tmp_path / "pair", *options], check=True, timeout=120)
    # In this process, by the same command.
    command = [str(TOY), str(photos), str(tmp_path / "single"), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        toy_task.main()
    pair, single = (load_latest_state(tmp_path / name) for name in ("pair", "single"))
    assert pair is not None
    assert single is not None
    assert pair["batches"] == single["batches"] == {"position": 24}
    assert len(pair["random"]) == 2
    # Sums of two halves round differently from the sum of the whole.
    torch.testing.assert_close(pair["task"], single["task"], rtol=0, atol=1e-5)


def test_a_signal_to_one_of_two_processes_stops_and_saves_both(tmp_path):
    photos = draw_landscapes(tmp_path / "photos")
    command = [*TORCHRUN, TOY, photos, tmp_path / "run", "--num-steps", "100000"]
    launcher = subprocess.Popen(
        [*command, "--save-every", "5", "--delay", "0.02"], stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("run/state-*.pt")):
            assert launcher.poll() is None, launcher.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        workers = [int(pid) for pid in children if b"toy_task" in _command_line(pid)]
        assert len(workers) == 2
        os.kill(workers[-1], signal.SIGUSR1)
        _, errors = launcher.communicate(timeout=60)
    finally:
        launcher.kill()
    # torchrun exits with 0 only if every process did.
    assert launcher.returncode == 0, errors.decode()[:4000]
    state = load_latest_state(tmp_path / "run")
    assert state is not None
    assert state["step"] < 100_000


def test_no_thread_of_the_group_is_left_to_disturb_the_end_of_the_process(tmp_path):
    photos = draw_landscapes(tmp_path / "photos")
    program = (
        "import os; from tests.training import toy_task; toy_task.main(); "
        "print([open(f'/proc/self/task/{thread}/comm').read().strip()"
        " for thread in os.listdir('/proc/self/task')])"
    )
    group = {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "0",
        "PYTHONPATH": str(TOY.parents[2]),
    }
    finished = subprocess.run(
        [sys.executable, "-c", program, photos, tmp_path / "run", "--num-steps", "1"],
        env={**os.environ, **group},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    assert b"gloo" not in finished.stdout


def _command_line(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
