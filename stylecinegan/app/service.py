"""Shared state of the routes: sessions, model and worker."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from stylecinegan import StyleCineGAN
from stylecinegan.app.interruption import make_interruptible
from stylecinegan.app.responses import ENDS
from stylecinegan.app.sessions import Session, SessionGone, Sessions
from stylecinegan.app.settings import Limits, PreviewSettings
from stylecinegan.app.worker import Job, Worker
from stylecinegan.errors import InputError


class Service:
    """Sessions, the model, and the worker that computes for them.

    Args:
        load_model: Loads the model; called in the worker's thread.
        preview: Settings of the preview.
        limits: Limits of this server.
    """

    def __init__(
        self, load_model: Callable[[], StyleCineGAN], preview: PreviewSettings, limits: Limits
    ) -> None:
        self.preview = preview
        self.limits = limits
        self.worker = Worker()
        self.sessions = Sessions(limits, self._forget)
        self._load_model = load_model
        self._model: StyleCineGAN | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the worker and expires idle sessions; deletes all sessions at the end."""
        self.worker.start()

        def load(job: Job) -> None:
            self.model()

        self.worker.submit(Job("", load, _ignore))
        expiring = asyncio.create_task(self._expire())
        try:
            yield
        finally:
            expiring.cancel()
            await asyncio.to_thread(self.worker.stop)
            self.sessions.close()

    def model(self) -> StyleCineGAN:
        """Returns the model, loading it at first; for the worker's thread only."""
        if self._model is None:
            self._model = self._load_model()
            make_interruptible(self._model, self.worker.check)
        return self._model

    def find(self, request: Request) -> Session:
        """Finds the session of a request's path.

        Raises:
            SessionGone: If there is none.
        """
        return self.sessions.find(request.path_params["id"])

    def submit(
        self,
        session: Session,
        run: Callable[[Job], None],
        *,
        is_urgent: bool = True,
        replaces: str | None = None,
    ) -> tuple[Job, "asyncio.Queue[Any]"]:
        """Submits a job and returns it with the queue of its messages."""
        loop = asyncio.get_running_loop()
        messages: asyncio.Queue[Any] = asyncio.Queue()

        def report(message: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(messages.put_nowait, message)

        job = Job(session.id, run, report, is_urgent=is_urgent, replaces=replaces)
        self.worker.submit(job)
        return job, messages

    async def compute(self, session: Session, run: Callable[[Job], None]) -> None:
        """Submits a job and waits for its end.

        Raises:
            InputError: If the job raises it, or the session ends.
        """
        job, messages = self.submit(session, run)
        try:
            while True:
                message = await messages.get()
                if message["type"] == "error":
                    raise InputError(message["message"])
                if message["type"] == "cancelled":
                    raise SessionGone("this session is over: open the photo again")
                if message["type"] in ENDS:
                    return
        finally:
            job.cancel()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(min(60.0, 60.0 * self.limits.idle_minutes))
            self.sessions.expire()

    def _forget(self, session: Session) -> None:
        self.worker.cancel_session(session.id)

        def clean(job: Job) -> None:
            shutil.rmtree(session.folder, ignore_errors=True)

        self.worker.submit(Job("", clean, _ignore))


def _ignore(message: Any) -> None: ...
