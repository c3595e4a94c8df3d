"""Training steps of one task in several compute dtypes to compare."""

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from stylecinegan.benchmarks.measurement import Candidate


class Task(Protocol):
    """A task of the training loop, of which only the step is timed."""

    def step(self, batch: dict[str, Tensor]) -> Mapping[str, Tensor]:
        """Runs one optimisation step and returns its loss terms by name."""
        ...


def train_candidates(tasks: Mapping[str, Task], images: Tensor) -> list[Candidate]:
    """One optimisation step of each task, timed per picture.

    Args:
        tasks: Tasks by their names in the table; the first is the baseline.
        images: Batch of every step, ``[B, 3, S, S]`` in [-1, 1].
    """

    def step_of(task: Task) -> Callable[[], object]:
        return lambda: task.step({"image": images})

    return [
        Candidate(name, step_of(task), units=len(images), is_baseline=number == 0)
        for number, (name, task) in enumerate(tasks.items())
    ]
