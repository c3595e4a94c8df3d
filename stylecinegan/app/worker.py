"""Job queue with a single worker thread, the only one that uses the model."""

import logging
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from stylecinegan.app.interruption import InterruptibleFunctions
from stylecinegan.errors import InputError
from stylecinegan.freed_memory import return_freed_memory

logger = logging.getLogger(__name__)

BUG = "something went wrong here; see the server's log"


class Cancelled(Exception):
    """The job was cancelled."""


class Job:
    """A computation for a session, with its messages.

    Args:
        session_id: The session's id.
        run: The computation; it calls :meth:`check` often and sends messages by :meth:`report`.
        report: Receives the messages, in the worker's thread.
        is_urgent: Runs before jobs that are not urgent, and interrupts a running one.
        replaces: Name of the job; an earlier job of the session with this name is cancelled, and
            this one takes its place: in the queue, or as the next one to run.
    """

    def __init__(
        self,
        session_id: str,
        run: Callable[["Job"], None],
        report: Callable[[Any], None],
        *,
        is_urgent: bool = True,
        replaces: str | None = None,
    ) -> None:
        self.session_id = session_id
        self.report = report
        self.is_urgent = is_urgent
        self.replaces = replaces
        self.is_over = threading.Event()
        self.has_taken_over = False
        self._run = run
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Cancels the job; it ends at its next :meth:`check`."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether the job was cancelled."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises :class:`Cancelled` if the job was cancelled."""
        if self._cancelled.is_set():
            raise Cancelled

    def perform(self) -> None:
        """Runs the computation and reports its outcome."""
        try:
            self.check()
            self._run(self)
            outcome: dict[str, Any] = {"type": "done"}
        except Cancelled as error:
            outcome = {"type": "cancelled"}
            release_frames(error)
        except InputError as error:
            outcome = {"type": "error", "message": str(error)}
            release_frames(error)
        except Exception as error:  # a bug must neither end the thread nor expose internals
            logger.exception("a job of the app failed")
            outcome = {"type": "error", "message": BUG}
            release_frames(error)
        self.is_over.set()
        self.report(outcome)


def release_frames(error: BaseException | None) -> None:
    """Clears the local variables of all functions that an exception has left.

    A network that was interrupted in a thread of its own leaves a reference cycle: its future holds
    the exception, whose frames hold the future and hundreds of megabytes of features, until the
    garbage collector's next full run.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class Worker:
    """Runs one job at a time, in the order of submission, urgent ones first.

    Args:
        tidy: Called now and then after jobs, in the worker's thread.
        tidy_every_s: Seconds between its calls, at least.
    """

    def __init__(
        self, tidy: Callable[[], None] = return_freed_memory, tidy_every_s: float = 10.0
    ) -> None:
        self._tidy = tidy
        self._tidy_every_s = tidy_every_s
        self._waiting: list[Job] = []
        self._current: list[Job] = []  # the innermost one last
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Cancels all jobs and waits for the thread."""
        with self._changed:
            self._is_stopped = True
            for job in (*self._waiting, *self._current):
                job.cancel()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(30)

    def submit(self, job: Job) -> None:
        """Queues a job, in the place of the earlier one that it replaces, if any."""
        with self._changed:
            place = len(self._waiting)
            dropped = None
            for index, other in enumerate(self._waiting):
                if self._is_replaced(other, job):
                    place, dropped = index, other
            if dropped is not None:
                self._waiting[place] = job
                job.has_taken_over = dropped.has_taken_over
            for other in self._current:
                if self._is_replaced(other, job):
                    other.cancel()
                    # At the end of the queue, newer edits would cancel it as well as soon as it
                    # runs, like those of all others: nobody would see a loop. Once only, or a
                    # session that edits all the time would keep the others waiting.
                    if not other.has_taken_over and dropped is None:
                        job.has_taken_over, place = True, 0
            if dropped is None:
                self._waiting.insert(place, job)
            self._changed.notify()
        if dropped is not None:
            dropped.cancel()
            dropped.perform()  # reports that it was cancelled
        self._report_positions()

    def cancel_session(self, session_id: str) -> list[Job]:
        """Cancels all jobs of a session and returns those that are running."""
        with self._changed:
            dropped = [job for job in self._waiting if job.session_id == session_id]
            self._waiting = [job for job in self._waiting if job.session_id != session_id]
            running = [job for job in self._current if job.session_id == session_id]
            for job in running:
                job.cancel()
        for job in dropped:
            job.cancel()
            job.perform()
        return running

    def cancel(self, session_id: str, name: str) -> None:
        """Cancels a session's jobs of a name (``replaces`` of :class:`Job`)."""
        with self._changed:
            wanted = [
                job
                for job in (*self._waiting, *self._current)
                if job.session_id == session_id and job.replaces == name
            ]
            dropped = [job for job in self._waiting if job in wanted]
            self._waiting = [job for job in self._waiting if job not in wanted]
            for job in wanted:
                job.cancel()
        for job in dropped:
            job.perform()  # reports that it was cancelled

    def check(self) -> None:
        """Raises :class:`Cancelled` if the running job was cancelled.

        For code in the worker's thread that does not know its job.
        """
        try:
            job = self._current[-1]  # without the lock: this is called before every operation
        except IndexError:
            return
        job.check()

    def run_urgent_jobs(self) -> None:
        """Runs the waiting urgent jobs; long jobs call this between their steps."""
        while (job := self._take(only_urgent=True)) is not None:
            self._perform(job)

    @property
    def is_busy(self) -> bool:
        """Whether a job is running or waiting."""
        with self._changed:
            return bool(self._waiting or self._current)

    @staticmethod
    def _is_replaced(earlier: Job, job: Job) -> bool:
        return (
            job.replaces is not None
            and earlier.replaces == job.replaces
            and earlier.session_id == job.session_id
        )

    def _work(self) -> None:
        with InterruptibleFunctions(self.check):
            self._run_jobs()

    def _run_jobs(self) -> None:
        tidied = time.monotonic()
        is_tidy = True
        while True:
            due_s = max(0.0, tidied + self._tidy_every_s - time.monotonic())
            with self._changed:
                if not self._waiting and not self._is_stopped:
                    self._changed.wait(None if is_tidy else due_s)
                if self._is_stopped and not self._waiting:
                    return
            if (job := self._take(only_urgent=False)) is not None:
                self._perform(job)
                is_tidy = False
            if not is_tidy and time.monotonic() >= tidied + self._tidy_every_s:
                self._tidy()
                tidied, is_tidy = time.monotonic(), True

    def _take(self, *, only_urgent: bool) -> Job | None:
        with self._changed:
            urgent = next((job for job in self._waiting if job.is_urgent), None)
            job = urgent or (None if only_urgent or not self._waiting else self._waiting[0])
            if job is not None:
                self._waiting.remove(job)
                self._current.append(job)
        if job is not None:
            self._report_positions()
        return job

    def _perform(self, job: Job) -> None:
        try:
            job.perform()
        finally:
            with self._changed:
                self._current.remove(job)

    def _report_positions(self) -> None:
        with self._changed:
            waiting = sorted(self._waiting, key=lambda job: not job.is_urgent)
        for place, job in enumerate(waiting):
            if not job.is_cancelled:
                job.report({"type": "waiting", "position": place + 1})
