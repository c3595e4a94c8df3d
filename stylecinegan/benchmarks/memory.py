"""Peak memory: of a run in this process, and of a command in its own."""

import ctypes
import gc
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from stylecinegan.errors import InputError

_LOOK_EVERY = 0.02
"""Seconds between looks at a running command's memory."""

_RESET = Path("/proc/self/clear_refs")


def peak_of(run: Callable[[], object], device: torch.device) -> int | None:
    """Runs something and tells how far memory rose above where it stood.

    On a GPU PyTorch's allocator counts; on a CPU Linux's mark of the highest resident memory is
    set back before the run and read after it, which sees every library's buffers.

    Args:
        run: What is run; what it returns is let go.
        device: Where it computes.

    Returns:
        Bytes, or ``None`` where the system has no such mark.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    _give_back_freed_memory()
    try:
        _RESET.write_text("5")
    except OSError:
        run()
        return None
    before = _status("VmRSS") or 0
    run()
    return max(0, (_status("VmHWM") or 0) - before)


def _peak_of_process(process: subprocess.Popen) -> int | None:
    """Waits for a process to end and tells its highest resident memory in bytes.

    The figure that the system hands out at the end (``wait4``) cannot be taken: it also counts
    what this process held when it started the other.
    """
    peak = None
    while True:
        peak = _status("VmHWM", process.pid) or peak
        try:
            process.wait(_LOOK_EVERY)
        except subprocess.TimeoutExpired:
            continue
        return peak


def _status(name: str, process: int | str = "self") -> int | None:
    """A figure of a process in bytes; ``None`` where there is none, as of one that has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    figures = [int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")]
    return figures[0] if figures else None


def _give_back_freed_memory() -> None:
    """What the heap holds without need would hide as much of the next run's rise."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class Command:
    """A command that is run as a process of its own.

    Args:
        arguments: Program and arguments.
        folder: Working folder.

    Attributes:
        peak_bytes: Highest resident memory of the last run, without processes that it started;
            ``None`` where the system does not tell.
    """

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.arguments = list(arguments)
        self.folder = folder
        self.peak_bytes: int | None = None

    def __call__(self) -> None:
        """Runs it and waits.

        Raises:
            InputError: If it fails; with its last line.
        """
        log = self.folder / "command.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                self.arguments, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT
            )
            self.peak_bytes = _peak_of_process(process)
        if process.returncode != 0:
            lines = log.read_text().strip().splitlines() or ["no output"]
            raise InputError(f"{' '.join(self.arguments)} failed: {lines[-1]}")
