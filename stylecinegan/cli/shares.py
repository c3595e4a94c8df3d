"""Distribution of photos over processes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stylecinegan.errors import InputError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Share:
    """Share of one process in a list.

    Attributes:
        index: Rank of the process, from 0.
        count: Number of processes.
    """

    index: int = 0
    count: int = 1

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Selects every ``count``-th item; the sizes of shares differ by at most one."""
        return list(items[self.index :: self.count])

    def within(self, outer: "Share") -> "Share":
        """This share of an outer share, such as that of a process in the share of its machine."""
        return Share(outer.index * self.count + self.index, outer.count * self.count)


def choose_share(setting: str, environment: Mapping[str, str]) -> Share:
    """Determines the share of a process.

    Args:
        setting: ``"auto"`` uses the launcher's variables, ``"all"`` is everything, ``"3/8"`` is the
            share of rank 3, counted from 0, of 8 processes.
        environment: Environment variables of torchrun, ``srun`` or a Slurm array, whose tasks may
            each start several processes.

    Raises:
        InputError: If the setting is none of these, or the array has gaps.
    """
    if setting == "all":
        return Share()
    if setting == "auto":
        return _process(environment).within(_array_task(environment))
    match = re.fullmatch(r"(\d+)/(\d+)", setting)
    if match is None or int(match[1]) >= int(match[2]):
        raise InputError(f"share must be auto, all, or one of 0/8 … 7/8, got {setting}")
    return Share(int(match[1]), int(match[2]))


def is_of_torchrun(environment: Mapping[str, str]) -> bool:
    """Whether torchrun started this process, which terminates all processes if one fails."""
    return "TORCHELASTIC_RUN_ID" in environment


def local_number(environment: Mapping[str, str]) -> int:
    """Rank of this process on its machine."""
    return int(environment.get("LOCAL_RANK") or environment.get("SLURM_LOCALID") or 0)


def _process(environment: Mapping[str, str]) -> Share:
    """Share of a process of torchrun or srun; of any other, everything."""
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return _share(environment["RANK"], environment["WORLD_SIZE"])
    # Unlike SLURM_NTASKS, this is only set for processes started by srun.
    if "SLURM_PROCID" in environment and "SLURM_STEP_NUM_TASKS" in environment:
        return _share(environment["SLURM_PROCID"], environment["SLURM_STEP_NUM_TASKS"])
    return Share()


def _array_task(environment: Mapping[str, str]) -> Share:
    """Share of a task of a Slurm array; of a single job, everything."""
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")
    if any(name not in environment for name in names):
        return Share()
    number, first, count = (int(environment[name]) for name in names)
    step = int(environment.get("SLURM_ARRAY_TASK_STEP", "1"))
    index, rest = divmod(number - first, step)
    if rest or not 0 <= index < count:
        raise InputError(
            f"wanted a Slurm array without gaps, found task {number} of {count} from {first} on: "
            f"set share=0/{count} … {count - 1}/{count} by hand"
        )
    return Share(index, count)


def _share(index: str, count: str) -> Share:
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise InputError(f"wanted the number of a process below that of all, found {index}/{count}")
    return Share(int(index), int(count))
