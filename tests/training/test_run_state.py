import logging
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.training import run_state
from stylecinegan.training.update import TrainingError
from tests.processes import run

TOY = Path(__file__).with_name("toy_task.py")


def save(folder, step, **options):
    state = {"step": step, "weight": torch.full((100,), float(step))}
    return run_state.save_state(folder, step, state, **options)


def test_the_newest_state_is_loaded_and_only_the_last_are_kept(tmp_path):
    for step in (5, 10, 15):
        save(tmp_path, step)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["state-00000010.pt", "state-00000015.pt"]
    state = run_state.load_latest_state(tmp_path)
    assert state is not None
    assert state["step"] == 15
    assert torch.equal(state["weight"], torch.full((100,), 15.0))


def test_steps_are_ordered_as_numbers_beyond_eight_digits(tmp_path):
    save(tmp_path, 99_999_999)
    save(tmp_path, 100_000_000)
    assert run_state.load_latest_state(tmp_path)["step"] == 100_000_000  # pyright: ignore


@pytest.mark.parametrize("damage", ["cut", "empty", "zeros", "text", "bit"])
def test_a_damaged_newest_state_falls_back_to_the_one_before(tmp_path, caplog, damage):
    save(tmp_path, 1)
    newest = save(tmp_path, 2)
    whole = newest.read_bytes()
    weights = torch.full((100,), 2.0).numpy().tobytes()
    damaged = {
        "cut": whole[:-200],
        "empty": b"",
        "zeros": bytes(len(whole)),
        "text": b"no state",
        "bit": whole.replace(weights, b"\x01" + weights[1:]),
    }
    newest.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING):
        state = run_state.load_latest_state(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert "state-00000002.pt is damaged" in caplog.text


def test_a_run_whose_states_are_all_damaged_does_not_start_over_silently(tmp_path):
    save(tmp_path, 1).write_bytes(b"")
    with pytest.raises(InputError, match="found 1 damaged ones"):
        run_state.load_latest_state(tmp_path)


def test_a_folder_without_states_gives_none(tmp_path):
    (tmp_path / "state-best.pt").write_bytes(b"")
    assert run_state.load_latest_state(tmp_path) is None


def test_a_state_that_is_not_finite_is_never_written(tmp_path):
    state = {"task": {"weights": [torch.tensor([1.0, torch.nan])]}}
    with pytest.raises(TrainingError, match=r"state\.task\.weights\.0 is not finite"):
        run_state.save_state(tmp_path, 1, state)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_could_not_be_loaded_again_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"state\.rate must be a plain value.*float64"):
        run_state.save_state(tmp_path, 1, {"rate": np.float64(1.0)})


def test_every_random_number_generator_is_restored(tmp_path):
    state = run_state.random_state()
    run_state.save_state(tmp_path, 1, {"random": state})

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    expected = draw()
    restored = run_state.load_latest_state(tmp_path)
    assert restored is not None
    run_state.restore_random_state(restored["random"])
    assert draw() == expected


def test_a_process_killed_twenty_times_while_saving_always_resumes(tmp_path):
    result = run(sys.executable, TOY, "kill", tmp_path, "20")
    assert result.returncode == 0, result.stderr[-2000:]
    lines = [line.split() for line in result.stdout.splitlines()]
    assert len(lines) == 20
    # With a state after every step, nothing but the step under way is ever lost.
    assert all(loaded == newest for loaded, newest, _ in lines)
    assert all(partial == "True" for *_, partial in lines[1::2])
