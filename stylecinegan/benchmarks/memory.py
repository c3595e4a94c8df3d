"""Peak memory of a call in this process, and of a command in a separate one."""

import gc
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from stylecinegan.errors import InputError
from stylecinegan.freed_memory import return_freed_memory

_POLL_INTERVAL_S = 0.02
"""Seconds between samples of a running command's memory."""

_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""Written to :data:`_CLEAR_REFS`, resets VmHWM, the peak resident memory (``man 5 proc``)."""


def peak_of(run: Callable[[], object], device: torch.device) -> int | None:
    """Peak memory of a call, above the level before it.

    On a GPU this is a figure of PyTorch's allocator; on a CPU it is Linux's peak resident memory,
    which is reset before the call and includes the buffers of all libraries.

    Args:
        run: The call; its result is discarded.
        device: Device that it runs on.

    Returns:
        Bytes, or ``None`` if the system does not provide the figure.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    # The call could reuse memory that is free but still resident, which would hide its demand.
    gc.collect()
    return_freed_memory()
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError:
        run()
        return None
    before = _status("VmRSS") or 0
    run()
    return max(0, (_status("VmHWM") or 0) - before)


def _peak_of_process(process: subprocess.Popen) -> int | None:
    """Waits for a process to end; returns its peak resident memory in bytes.

    The figure of ``wait4`` would include the memory of this process at the fork.
    """
    peak = None
    while True:
        peak = _status("VmHWM", process.pid) or peak
        try:
            process.wait(_POLL_INTERVAL_S)
        except subprocess.TimeoutExpired:
            continue
        return peak


def _status(name: str, process: int | str = "self") -> int | None:
    """Reads a memory figure of a process, e.g. VmRSS, in bytes; ``None`` after its end."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    figures = [int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")]
    return figures[0] if figures else None


class Command:
    """A command in a separate process, with its peak memory.

    Args:
        arguments: Program and arguments.
        folder: Working folder.

    Attributes:
        peak_bytes: Peak resident memory of the last run, without its child processes; ``None`` if
            the system does not provide it.
    """

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.arguments = list(arguments)
        self.folder = folder
        self.peak_bytes: int | None = None

    def __call__(self) -> None:
        """Runs the command and waits for its end.

        Raises:
            InputError: If it fails, with the last line of its output.
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
