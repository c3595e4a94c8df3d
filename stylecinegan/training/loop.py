import logging
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.training import distributed, run_state
from stylecinegan.training.run_log import RunLog

logger = logging.getLogger(__name__)


class Task(Protocol):
    """Models, losses and optimisers of one experiment.

    A task may also offer ``sample(batch) -> dict[str, Tensor]``: pictures to look at by name,
    ``[B, 3, H, W]`` in [-1, 1] (or one finished grid, ``[3, H, W]``), ``sample_every``, in
    steps, ``measure() -> dict[str, float]``: numbers to log beside pictures, and ``progress``,
    which the loop sets to the completed fraction of the training, in [0, 1].
    """

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Takes one full optimisation step and returns the terms to log, by name."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns all that the next step depends on, as plain containers and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Restores a state of :meth:`state_dict`."""
        ...

    def to(self, device: torch.device, /) -> Any:
        """Moves every network to a device; called once, before the first step."""
        ...

    def export(self, directory: Path) -> None:
        """Writes the weights to release."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """Batches that know their position."""

    def state_dict(self) -> dict[str, Any]:
        """Returns the position behind the last batch that was handed out."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Makes the next iteration begin at a position."""
        ...


def train(
    task: Task,
    batches: Iterable[dict[str, Tensor]],
    *,
    num_steps: int,
    run_dir: Path,
    save_every: int,
    log_every: int,
    sample_every: int | None = None,
    keep: int = 2,
    max_seconds: float | None = None,
    export_seconds: float | None = None,
) -> bool:
    """Trains a task: resumes its latest state, steps, logs, saves and stops.

    Called again with the same arguments, it resumes. SIGTERM and SIGUSR1 end the
    step, save and return; a process that is killed loses at most ``save_every`` steps. All
    processes of a group call it together; the first one writes.

    Args:
        task: What is trained.
        batches: Endless batches. Those with ``state_dict`` (:class:`Resumable`) go on where they
            stopped, others start from their beginning.
        num_steps: Step at which training is complete.
        run_dir: Folder of the states, the TensorBoard log and the sample pictures.
        save_every: Steps between states.
        log_every: Steps between log entries; terms are averaged over them and the processes.
        sample_every: Steps between pictures, 0 for none; by default the task's own choice.
        keep: Number of states to keep.
        max_seconds: Seconds of training after which this call saves and returns, with the training
            complete; for machines that are available for a limited time.
        export_seconds: Seconds between exports of the weights so far, to ``run_dir / "export"``,
            with pictures; none by default.

    Returns:
        Whether training is complete, in contrast to stopped by a signal.

    Raises:
        InputError: If the state in ``run_dir`` does not fit the task, the batches end, or another
            process is training there.
        TrainingError: If the training has failed; the states on disk are good ones.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    if sample_every is None:
        sample_every = getattr(task, "sample_every", 0)
    lock = run_state.locked(run_dir) if distributed.is_main() else nullcontext()
    with lock, _stop_signals() as received:
        step, random_state = _resume(task, batches, run_dir)
        if step >= num_steps:
            return True
        log = RunLog(run_dir, step, num_steps)
        iterator = iter(batches)
        if random_state:
            # Last, so that random numbers drawn during start-up have no effect.
            run_state.restore_random_state(random_state)
        begin = exported = time.monotonic()
        is_over = False
        try:
            first, stop = step + 1, False
            while step < num_steps and not stop and not is_over:
                seconds = time.monotonic() - begin
                if hasattr(task, "progress"):
                    share = seconds / max_seconds if max_seconds else 0.0
                    vars(task)["progress"] = max(share, step / num_steps)
                batch = next(iterator, None)
                if batch is None:
                    raise InputError(f"wanted batches for {num_steps} steps, found {step}")
                log.add(task.step(batch), batch)
                step += 1
                stop = distributed.any_rank(bool(received))
                now = time.monotonic()
                if max_seconds:
                    is_over = distributed.any_rank(now - begin > max_seconds)
                at_end = stop or is_over or step == num_steps
                if at_end or step == first or step % log_every == 0:
                    log.write(step)
                is_due = bool(export_seconds) and now - exported > (export_seconds or 0.0)
                if is_due and distributed.is_main():
                    task.export(run_dir / "export")
                if is_due or (sample_every and step % sample_every == 0):
                    _show_samples(task, batch, step, log)
                if is_due:
                    exported = time.monotonic()
                if at_end or step % save_every == 0:
                    _save(task, batches, run_dir, step, keep)
        finally:
            log.close()
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
    distributed.wait_for_all()
    if is_over and not stop:
        logger.info("stopped after %.0f seconds and %d steps", max_seconds, step)
        return True
    if step < num_steps:
        logger.info("stopped by a signal after step %d: the same command goes on", step)
    return step >= num_steps


def _resume(task: Task, batches: object, run_dir: Path) -> tuple[int, dict[str, Any] | None]:
    """Loads the latest state into task and batches; returns its step and this process's RNG."""
    state = run_state.load_latest_state(run_dir)
    steps = distributed.gather(state["step"] if state else 0)
    if len(set(steps)) > 1:
        raise InputError(
            f"wanted {run_dir} on a disk that all processes share, found steps {steps}"
        )
    if state is None:
        return 0, None
    try:
        task.load_state_dict(state["task"])
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"the state in {run_dir} is of another configuration, choose another name= or "
            f"delete it: {reason[:300]}"
        ) from error
    if isinstance(batches, Resumable) and state["batches"]:
        batches.load_state_dict(state["batches"])
    if len(state["random"]) == distributed.world_size():
        return state["step"], state["random"][distributed.rank()]
    logger.warning(
        "the state is of %d processes, now there are %d: random numbers start anew",
        len(state["random"]),
        distributed.world_size(),
    )
    return state["step"], None


def _save(task: Task, batches: object, run_dir: Path, step: int, keep: int) -> None:
    random_states = distributed.gather(run_state.random_state())
    state = {
        "step": step,
        "task": task.state_dict(),
        "batches": batches.state_dict() if isinstance(batches, Resumable) else {},
        "random": random_states,
    }
    if distributed.is_main():
        run_state.save_state(run_dir, step, state, keep=keep)


def _show_samples(task: Task, batch: dict[str, Tensor], step: int, log: RunLog) -> None:
    sample = getattr(task, "sample", None)
    if sample is None or not distributed.is_main():
        return
    # Sampling must not change the training.
    with torch.random.fork_rng(), torch.no_grad():
        pictures = sample(batch)
        measure = getattr(task, "measure", None)
        numbers = measure() if measure is not None else {}
    for name, images in pictures.items():
        log.show(name, images, step)
    if numbers:
        log.note(step, numbers)


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collects SIGTERM and SIGUSR1 instead of being killed by them."""
    received: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGUSR1)
    before = [signal.signal(n, lambda number, _: received.append(number)) for n in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, before, strict=True):
            # Launchers may send a signal twice; the second must not kill a process that is ending.
            signal.signal(number, signal.SIG_IGN if received else handler)
