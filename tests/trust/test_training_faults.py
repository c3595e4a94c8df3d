"""What goes wrong while a network is trained: the states on disk stay good ones."""

import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.training.run_state import list_states, load_latest_state, locked
from tests.training.toy_task import draw_landscapes, write_experiment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    draw_landscapes(folder / "photos")
    write_experiment(folder, {"ballast": 300_000}, num_steps=100_000, batch_size=2, save_every=5)
    return folder


def train(start, folder, run_dir, *overrides, **limits):
    return start(
        "train.py",
        "--config-dir",
        folder / "configs",
        "experiment=toy",
        f"data.dir={folder}/photos",
        f"hydra.run.dir={run_dir}",
        *overrides,
        cwd=folder,
        path=[ROOT],
        **limits,
    )


def wait_for_state(run_dir, job):
    """Waits for a state that was not there before."""
    before = list_states(run_dir)[-1:]
    while job.is_running() and list_states(run_dir)[-1:] == before:
        time.sleep(0.01)
    assert job.is_running(), job.output


def assert_whole_states(run_dir):
    paths = list_states(run_dir)
    assert paths
    for path in paths:
        state = torch.load(path, weights_only=True)
        assert path.name == f"state-{state['step']:08d}.pt"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_leaves_whole_states_and_no_other_file(
    folder, tmp_path, start, number
):
    moments = random.Random(int(number))
    run_dir = tmp_path / "run"
    for _ in range(4):
        job = train(start, folder, run_dir)
        wait_for_state(run_dir, job)
        time.sleep(moments.uniform(0.0, 0.7))
        job.send(number)
        job.wait()
        assert_whole_states(run_dir)
        assert not list(run_dir.glob("*.partial"))
        assert "Traceback" not in job.output, job.output
        assert "stopped" in job.output


def test_a_full_disk_is_reported_in_one_line_and_the_states_before_it_stay(
    folder, start, small_disk
):
    run_dir = small_disk / "run"
    job = train(start, folder, run_dir, "task.ballast=20000").wait()  # room for one or two states
    assert job.status == 1
    assert len(job.errors) == 1, job.output
    assert "cannot write" in job.errors[0]
    assert_whole_states(run_dir)
    assert not list(small_disk.rglob("*.partial"))


def test_a_state_that_no_longer_fits_leaves_the_one_before(folder, tmp_path, start):
    run_dir = tmp_path / "run"
    job = train(start, folder, run_dir)
    wait_for_state(run_dir, job)
    job.send(signal.SIGTERM)
    assert job.wait().status == 0
    step = load_latest_state(run_dir)["step"]
    job = train(start, folder, run_dir, file_limit=500_000).wait()
    assert job.status == 1
    assert len(job.errors) == 1, job.output
    assert "the states before it stay" in job.errors[0]
    assert load_latest_state(run_dir)["step"] == step
    assert not list(run_dir.glob("*.partial"))


def test_a_folder_that_is_removed_meanwhile_is_reported_in_one_line(folder, tmp_path, start):
    run_dir = tmp_path / "run"
    job = train(start, folder, run_dir)
    wait_for_state(run_dir, job)
    shutil.rmtree(run_dir, ignore_errors=True)
    assert job.wait().status == 1
    assert len(job.errors) == 1, job.output
    assert "cannot write" in job.errors[0]


def test_the_folder_of_a_training_is_locked_against_a_second_one(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(InputError, match="another process is training in"),
        locked(tmp_path, patience=0.0),
    ):
        pass
    with locked(tmp_path, patience=0.0):  # free again
        assert list(tmp_path.iterdir()) == []
