import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stylecinegan.data.batches import Batches
from stylecinegan.data.landscapes import Landscapes
from stylecinegan.errors import InputError
from stylecinegan.training.loop import train
from stylecinegan.training.run_state import load_latest_state
from stylecinegan.training.update import TrainingError
from tests.nested import assert_identical
from tests.training.toy_task import ToyTask, draw_landscapes

TOY = Path(__file__).with_name("toy_task.py")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    # Handing a toy's work to threads takes longer than doing it.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_landscapes(tmp_path_factory.mktemp("photos"))


def run(photos, run_dir, num_steps, *, num_workers=0, noise=0.1, **options):
    torch.manual_seed(5)
    task = ToyTask(noise=noise)
    dataset = Landscapes(photos, crop=16, scale_range=(1.0, 1.5))
    batches = Batches(dataset, batch_size=4, num_workers=num_workers)
    options = {"save_every": 100, "log_every": 2, **options}
    return task, train(task, batches, num_steps=num_steps, run_dir=run_dir, **options)


def test_stop_and_resume_equals_not_stopping_bit_for_bit(photos, tmp_path):
    run(photos, tmp_path / "straight", 7, num_workers=2)
    run(photos, tmp_path / "stopped", 2, num_workers=0)
    run(photos, tmp_path / "stopped", 5, num_workers=1)
    run(photos, tmp_path / "stopped", 7, num_workers=0)
    straight = load_latest_state(tmp_path / "straight")
    stopped = load_latest_state(tmp_path / "stopped")
    assert straight is not None
    assert straight["step"] == 7
    assert straight["batches"] == {"position": 28}
    assert_identical(stopped, straight)


def test_sampling_does_not_change_the_training(photos, tmp_path):
    run(photos, tmp_path / "looked", 3, sample_every=1)
    run(photos, tmp_path / "blind", 3, sample_every=0)
    looked, blind = (load_latest_state(tmp_path / name) for name in ("looked", "blind"))
    assert_identical(looked, blind)
    pictures = sorted(path.name for path in (tmp_path / "looked/samples").iterdir())
    assert pictures == [f"reconstruction-0000000{step}.png" for step in (1, 2, 3)]
    # Four pictures of 16 in a 2x2 grid with borders of 2 pixels.
    with Image.open(tmp_path / "looked/samples" / pictures[0]) as picture:
        assert picture.size == (38, 38)


def test_a_complete_run_takes_no_further_step(photos, tmp_path):
    first, _ = run(photos, tmp_path, 2)
    second, complete = run(photos, tmp_path, 2)
    assert complete
    assert_identical(second.network.state_dict(), first.network.state_dict())
    assert [path.name for path in tmp_path.glob("state*")] == ["state-00000002.pt"]


def test_terms_speed_and_pictures_are_logged_under_their_names(photos, tmp_path):
    run(photos, tmp_path, 4, sample_every=4)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["images_per_second", "squared_error"]
    assert events.Tags()["images"] == ["reconstruction"]
    assert [entry.step for entry in events.Scalars("squared_error")] == [1, 2, 4]
    assert all(entry.value > 0 for entry in events.Scalars("images_per_second"))


def test_one_batch_is_overfitted(photos, tmp_path):
    task = ToyTask()
    batch = next(iter(Batches(Landscapes(photos, crop=16), batch_size=4)))
    before = task.loss(batch)[0].item()
    complete = train(
        task,
        itertools.repeat(batch),
        num_steps=150,
        run_dir=tmp_path,
        save_every=150,
        log_every=50,
    )
    assert complete
    assert task.loss(batch)[0].item() < 0.1 * before


def test_bad_batches_stop_the_run_and_leave_the_last_good_state(tmp_path):
    good = {"image": torch.zeros(2, 3, 8, 8)}
    bad = {"image": torch.full((2, 3, 8, 8), torch.nan)}
    batches = itertools.chain([good, bad, good, good], itertools.repeat(bad))
    with pytest.raises(TrainingError, match="10 steps in a row"):
        train(ToyTask(), batches, num_steps=99, run_dir=tmp_path, save_every=3, log_every=9)
    state = load_latest_state(tmp_path)
    assert state is not None
    # The run of bad steps is 5 to 14: a skipped step changes nothing, so 12 is still worth saving.
    assert state["step"] == 12
    assert torch.isfinite(state["task"]["network"]["0.weight"]).all()
    assert state["task"]["update"]["skipped"].tolist() == [9, 8]


def test_a_state_of_another_configuration_is_refused_in_one_line(photos, tmp_path):
    run(photos, tmp_path, 1)
    task = ToyTask()
    task.network.add_module("more", torch.nn.Conv2d(3, 3, 1))
    with pytest.raises(InputError, match=r"of another configuration.*more\.weight") as error:
        train(task, [], num_steps=2, run_dir=tmp_path, save_every=1, log_every=1)
    assert "\n" not in str(error.value)


def test_batches_that_end_too_early_are_an_error(tmp_path):
    with pytest.raises(InputError, match="wanted batches for 5 steps, found 2"):
        train(
            ToyTask(),
            [{"image": torch.zeros(2, 3, 8, 8)}] * 2,
            num_steps=5,
            run_dir=tmp_path,
            save_every=10,
            log_every=10,
        )


# SIGUSR1, which takes the same way: test_distributed.py
def test_sigterm_finishes_the_step_saves_and_exits_0(photos, tmp_path):
    command = [sys.executable, TOY, photos, tmp_path / "run", "--num-steps", "100000"]
    command += ["--num-workers", "2", "--delay", "0.05", "--save-every", "5"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("run/state-*.pt")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # To the whole group, as Slurm does: the reading processes must not die of it.
        os.killpg(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    state = load_latest_state(tmp_path / "run")
    assert state is not None
    assert state["batches"]["position"] == 4 * state["step"]
    saved = int(max(path.stem for path in tmp_path.glob("run/state-*.pt")).split("-")[1])
    assert saved == state["step"]


def test_a_signal_in_this_process_is_reported_as_incomplete(tmp_path, caplog):
    def batches():
        for step in itertools.count(1):
            if step == 3:
                signal.raise_signal(signal.SIGTERM)
            yield {"image": torch.zeros(2, 3, 8, 8)}

    before = signal.getsignal(signal.SIGTERM)
    try:
        with caplog.at_level(logging.INFO):
            complete = train(
                ToyTask(),
                batches(),
                num_steps=50,
                run_dir=tmp_path,
                save_every=50,
                log_every=50,
            )
    finally:
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, before)
    assert not complete
    assert [path.name for path in tmp_path.glob("state*")] == ["state-00000003.pt"]
    assert "stopped by a signal after step 3" in caplog.text


def test_training_is_over_after_its_seconds_and_has_exported_meanwhile(photos, tmp_path):
    _, complete = run(photos, tmp_path, 10**6, max_seconds=0.6, export_seconds=0.2)
    assert complete
    assert (tmp_path / "export" / "toy.safetensors").is_file()
    assert load_latest_state(tmp_path)["step"] < 10**6  # pyright: ignore
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all("squared_error" in entry for entry in entries)
    assert entries[-1]["seconds"] >= 0.6
