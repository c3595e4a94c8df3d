import fcntl
import logging
import os
import pickle
import random
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError, TrainingError

logger = logging.getLogger(__name__)

_STATE_NAME = re.compile(r"state-(\d{8,})\.pt")
_PLAIN_TYPES = (str, bytes, bool, int, float, type(None))
# Errors of torch.load for files that are truncated, empty, zeroed or no state at all.
_DAMAGE = (
    RuntimeError,
    ValueError,
    KeyError,
    EOFError,
    OSError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def state_path(run_dir: Path, step: int) -> Path:
    """Path of the state after ``step`` steps."""
    return run_dir / f"state-{step:08d}.pt"


def list_states(run_dir: Path) -> list[Path]:
    """Returns the complete states of a run, the oldest first."""
    found = [(_STATE_NAME.fullmatch(path.name), path) for path in run_dir.glob("state-*.pt")]
    numbered = [(int(match[1]), path) for match, path in found if match]
    return [path for _, path in sorted(numbered)]


def save_state(run_dir: Path, step: int, state: dict[str, Any], *, keep: int = 2) -> Path:
    """Writes a state atomically: a power cut leaves the previous or the new one intact.

    Args:
        run_dir: Folder of the run.
        step: Number of steps of the state.
        state: Plain containers, numbers, strings and tensors.
        keep: Number of states to keep; older ones are deleted.

    Raises:
        TrainingError: If a tensor in the state is not finite or the state cannot be written;
            earlier states are kept.
        TypeError: If the state could not be loaded again with ``weights_only=True``.
    """
    check_state(state)
    path = state_path(run_dir, step)
    # The same name for all steps, so that a killed process's file is overwritten.
    partial = run_dir / "state.pt.partial"
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(run_dir)
    except (OSError, RuntimeError) as error:
        # PyTorch's writer raises another error while it handles the cause.
        cause = error.__context__ or error
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        reason = getattr(cause, "strerror", None) or str(error).splitlines()[0]
        raise TrainingError(f"cannot write {path}: {reason}; the states before it stay") from error
    finally:
        partial.unlink(missing_ok=True)
    for old in list_states(run_dir)[: -max(keep, 1)]:
        old.unlink(missing_ok=True)
    return path


@contextmanager
def locked(run_dir: Path, *, patience: float = 15.0) -> Iterator[None]:
    """Locks a run's folder against a second training; the lock leaves no file behind.

    Args:
        run_dir: Folder of the run.
        patience: Seconds to wait for the lock, since data workers of a killed process outlive it.

    Raises:
        InputError: If another process is training there.
    """
    descriptor = os.open(run_dir, os.O_RDONLY)
    try:
        give_up = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > give_up:
                    raise InputError(
                        f"another process is training in {run_dir}: stop it or choose another name="
                    ) from error
                time.sleep(0.2)
                continue
            except OSError as error:  # a file system without locks
                logger.warning("%s cannot be locked: %s", run_dir, error.strerror)
            break
        yield
    finally:
        os.close(descriptor)


def load_latest_state(run_dir: Path) -> dict[str, Any] | None:
    """Loads the newest intact state; ``None`` if there is none yet.

    Raises:
        InputError: If there are states, but none can be read.
    """
    paths = list_states(run_dir)
    for path in reversed(paths):
        try:
            state = _load(path)
        except _DAMAGE as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            logger.warning("%s is damaged and left out: %s", path, reason[0])
            continue
        logger.info("going on from %s", path)
        return state
    if paths:
        raise InputError(
            f"wanted a readable state in {run_dir}, found {len(paths)} damaged ones: "
            "delete them to start over"
        )
    return None


def check_state(value: Any, name: str = "state") -> None:
    """Checks that a state is finite and can be loaded again.

    Raises:
        TrainingError: If a floating-point tensor is not finite, with its path in the state.
        TypeError: If a value is neither a plain container, number, string nor tensor.
    """
    if isinstance(value, Tensor):
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise TrainingError(f"{name} is not finite: the state is not saved, the last one stays")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_state(item, f"{name}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            check_state(item, f"{name}.{index}")
    elif type(value) not in _PLAIN_TYPES:
        raise TypeError(f"{name} must be a plain value to be saved, got {type(value).__name__}")


def random_state() -> dict[str, Any]:
    """Returns the state of every random number generator of this process."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 (the state of others' draws)
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Restores every random number generator to a state of :func:`random_state`."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def _load(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        # torch.load does not verify checksums: a flipped bit would become a weight.
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"wrong checksum of {broken!r}")
    return torch.load(path, map_location="cpu", weights_only=True)


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
