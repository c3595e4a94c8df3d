"""The one thread that owns the model, and the work that waits for it."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from stylecinegan.errors import InputError

logger = logging.getLogger(__name__)


BUG = "something went wrong here; see the server's log"


class Cancelled(Exception):
    """The work is no longer wanted."""


class Job:
    """A piece of work and what it has to say.

    Args:
        session_id: Of whose photo it is.
        run: The work; it calls :meth:`check` often and reports through :meth:`report`.
        report: Takes what the work says, from the worker's thread.
        is_urgent: Goes before work that is not, even in the middle of such work.
        replaces: Cancels and takes the place of the session's earlier work of this name.
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
        self._run = run
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Asks the work to end; it does so at its next :meth:`check`."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether the work is no longer wanted."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises :class:`Cancelled` if the work is no longer wanted."""
        if self._cancelled.is_set():
            raise Cancelled

    def perform(self) -> None:
        """Does the work and reports how it ended."""
        try:
            self.check()
            self._run(self)
            outcome: dict[str, Any] = {"type": "done"}
        except Cancelled:
            outcome = {"type": "cancelled"}
        except InputError as error:
            outcome = {"type": "error", "message": str(error)}
        except Exception:  # a bug must neither end the thread nor show its insides
            logger.exception("work of the app failed")
            outcome = {
                "type": "error",
                "message": BUG,
            }
        self.is_over.set()
        self.report(outcome)


class Worker:
    """Does one job at a time, in the order of arrival, urgent ones first."""

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._current: list[Job] = []  # the innermost one last
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Cancels everything and waits for the thread."""
        with self._changed:
            self._is_stopped = True
            for job in (*self._waiting, *self._current):
                job.cancel()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(30)

    def submit(self, job: Job) -> None:
        """Queues a job, in the place of an earlier one that it replaces if there is one."""
        with self._changed:
            place = len(self._waiting)
            dropped = None
            for index, other in enumerate(self._waiting):
                if self._is_replaced(other, job):
                    place, dropped = index, other
            for other in self._current:
                if self._is_replaced(other, job):
                    other.cancel()
            if dropped is not None:
                self._waiting[place] = job
            else:
                self._waiting.append(job)
            self._changed.notify()
        if dropped is not None:
            dropped.cancel()
            dropped.perform()  # says that it is cancelled
        self._report_positions()

    def cancel_session(self, session_id: str) -> list[Job]:
        """Cancels all jobs of a session, and returns those that are still at work."""
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
        """Cancels a session's work of a name (see ``replaces`` of :class:`Job`)."""
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
            job.perform()  # says that it is cancelled

    def check(self) -> None:
        """Raises :class:`Cancelled` if what is being done is no longer wanted.

        For the worker's thread, in work that does not know its job.
        """
        with self._changed:
            job = self._current[-1] if self._current else None
        if job is not None:
            job.check()

    def give_way(self) -> None:
        """Does the urgent jobs that wait; long work calls this between its steps."""
        while (job := self._take(only_urgent=True)) is not None:
            self._perform(job)

    @property
    def is_busy(self) -> bool:
        """Whether anything is done or waits."""
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
        while True:
            with self._changed:
                while not self._waiting and not self._is_stopped:
                    self._changed.wait()
                if self._is_stopped and not self._waiting:
                    return
            if (job := self._take(only_urgent=False)) is not None:
                self._perform(job)

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
