"""Detection of lost peers, so that a process can exit on a signal."""

import os
import signal
import threading
import time
from types import TracebackType
from typing import Self

import torch.distributed as dist

_SILENCE = 5
"""Number of missing heartbeats after which a process counts as lost."""

_LEFT = 2**40
"""Subtracted from the heartbeat count of a process that has exited normally."""

_POLL_INTERVAL_S = 0.1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class PeerWatch:
    """Ends this process on SIGTERM or SIGINT if a peer is lost.

    Python handles a signal when the main thread returns from its current call, which a collective
    operation with a lost peer never does. So every process counts heartbeats in the shared store,
    and a thread is notified of signals by Python's wake-up pipe. If SIGTERM or SIGINT has arrived
    and a peer has no heartbeat, this process exits at once with status 1, since it cannot save
    without its peers. Otherwise the main thread handles the signal and saves.

    Args:
        store: Store shared by all processes.
        rank: Number of this process.
        world_size: Number of processes.
        beat_s: Seconds between heartbeats; by default one, or more with many processes.
    """

    def __init__(
        self, store: dist.Store, rank: int, world_size: int, *, beat_s: float | None = None
    ) -> None:
        self._store = store.clone()  # own connection, which no waiting operation blocks
        self._rank = rank
        self._others = [other for other in range(world_size) if other != rank]
        self._beat_s = max(1.0, world_size / 64) if beat_s is None else beat_s
        now = time.monotonic()
        self._seen: dict[int, tuple[int, float]] = dict.fromkeys(self._others, (0, now))
        self._answered = now
        self._is_over = threading.Event()
        self._has_failed = False
        self._pipe: tuple[int, int] | None = None
        self._previous_pipe = -1
        self._beats = threading.Thread(target=self._beat, name="peer-beats", daemon=True)

    def __enter__(self) -> Self:
        """Starts the heartbeat and the watch."""
        self._beats.start()
        if threading.current_thread() is threading.main_thread():
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
            self._previous_pipe = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
            threading.Thread(target=self._listen, name="peer-signals", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops; after an error, peers are not told that this process exited normally."""
        self._has_failed = kind is not None
        self._is_over.set()
        if self._pipe is not None:
            signal.set_wakeup_fd(self._previous_pipe)
            os.close(self._pipe[1])
        self._beats.join(self._beat_s * 2)

    def gone(self) -> int | None:
        """Rank of the first peer without a heartbeat; ``None`` if all have one."""
        now = time.monotonic()
        longest = _SILENCE * self._beat_s
        if self._others and now - self._answered > longest:
            return self._others[0]  # the process that runs the store is lost
        silent = (other for other, (_, when) in self._seen.items() if now - when > longest)
        return next(silent, None)

    def _beat(self) -> None:
        try:
            while not self._is_over.wait(self._beat_s):
                self._store.add(f"beat/{self._rank}", 1)
                for other in self._others:
                    beats, _ = self._seen[other]
                    count = self._store.add(f"beat/{other}", 0)
                    if count != beats or count < 0:
                        self._seen[other] = (count, time.monotonic())
                self._answered = time.monotonic()
            if not self._has_failed:
                self._store.add(f"beat/{self._rank}", -_LEFT)
        except (dist.DistError, RuntimeError):
            return  # the process of the store is lost; gone() reports it

    def _listen(self) -> None:
        assert self._pipe is not None
        has_to_stop = False
        while received := os.read(self._pipe[0], 64):
            has_to_stop = has_to_stop or any(number in _STOP_SIGNALS for number in received)
            while has_to_stop and not self._is_over.is_set():
                gone = self.gone()
                if gone is not None:
                    message = f"error: stopped; process {gone} does not answer any more\n"
                    os.write(2, message.encode())
                    os._exit(1)
                time.sleep(_POLL_INTERVAL_S)
            if self._is_over.is_set():
                break
        os.close(self._pipe[0])
