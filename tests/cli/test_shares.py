import json
from pathlib import Path

import pytest

from stylecinegan.cli.failures import Failures
from stylecinegan.cli.shares import Share, choose_share, local_number
from stylecinegan.errors import InputError


def array(number, count, first=0, step=1):
    return {
        "SLURM_ARRAY_TASK_ID": str(number),
        "SLURM_ARRAY_TASK_COUNT": str(count),
        "SLURM_ARRAY_TASK_MIN": str(first),
        "SLURM_ARRAY_TASK_STEP": str(step),
    }


def torchrun(rank, world_size):
    return {"RANK": str(rank), "WORLD_SIZE": str(world_size)}


def srun(rank, world_size):
    return {"SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": str(world_size)}


@pytest.mark.parametrize(
    "environments",
    [
        [torchrun(rank, 3) for rank in range(3)],
        [srun(rank, 4) for rank in range(4)],
        [array(number, 5, first=1) for number in range(1, 6)],
        [array(number, 3, first=2, step=4) for number in (2, 6, 10)],
        [array(number, 2) | torchrun(rank, 3) for number in range(2) for rank in range(3)],
        # torchrun counts the processes that srun's tasks start.
        [srun(rank // 2, 2) | torchrun(rank, 4) for rank in range(4)],
        [{"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}],  # a batch script, which runs once
        [{}],
    ],
)
def test_the_shares_of_all_processes_are_a_partition(environments):
    items = list(range(23))
    shares = [choose_share("auto", environment).of(items) for environment in environments]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_given_share_takes_precedence_over_the_launcher_s():
    assert choose_share("2/8", torchrun(0, 2)) == Share(2, 8)
    assert choose_share("all", array(1, 4)) == Share(0, 1)


@pytest.mark.parametrize("setting", ["8/8", "1", "half", "-1/3"])
def test_invalid_shares_are_refused(setting):
    with pytest.raises(InputError, match="share must be auto, all"):
        choose_share(setting, {})


@pytest.mark.parametrize("environment", [torchrun(2, 2), torchrun("first", 2), srun(0, 0)])
def test_a_rank_that_is_none_of_the_group_is_refused(environment):
    with pytest.raises(InputError, match="wanted the number of a process below that of all"):
        choose_share("auto", environment)


def test_an_array_with_gaps_is_refused():
    with pytest.raises(InputError, match="without gaps, found task 7 of 3 from 1 on: set share="):
        choose_share("auto", array(7, 3, first=1))


def test_the_local_rank_is_read_from_torchrun_or_slurm():
    assert local_number({"LOCAL_RANK": "3", "SLURM_LOCALID": "0"}) == 3
    assert local_number({"SLURM_LOCALID": "1"}) == 1
    assert local_number({}) == 0


def test_failures_are_listed_until_they_are_forgotten(tmp_path):
    one, other = Failures(tmp_path / "videos"), Failures(tmp_path / "videos")
    assert not one.path.exists()
    one.add("été.jpg", Path("videos/été.mp4"), InputError("truncated"))
    other.add("b.jpg", Path("videos/b.mp4"), InputError("empty"))
    entries = [json.loads(line) for line in one.path.read_text().splitlines()]
    assert [entry["source"] for entry in entries] == ["été.jpg", "b.jpg"]
    assert entries[0]["error"] == "truncated"
    one.forget({"été.jpg"})
    assert [json.loads(line)["source"] for line in one.path.read_text().splitlines()] == ["b.jpg"]
    other.forget({"b.jpg"})
    assert list((tmp_path / "videos").iterdir()) == []
    other.add("b.jpg", Path("videos/b.mp4"), InputError("empty again"))
    assert "empty again" in one.path.read_text()
