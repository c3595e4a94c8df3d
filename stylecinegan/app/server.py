"""The app's server: pages and answers, with all computation handed to one thread."""

import asyncio
import json
import logging
import shutil
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from stylecinegan import StyleCineGAN
from stylecinegan.app.edits import parse_edits, parse_video_settings
from stylecinegan.app.interruption import make_interruptible
from stylecinegan.app.preview import make_preview
from stylecinegan.app.requests import Guard, TooLarge, read_json, save_body
from stylecinegan.app.session_file import (
    SUFFIX,
    SessionContents,
    command,
    is_session_file,
    overrides,
    read_session,
    write_session,
)
from stylecinegan.app.sessions import Session, SessionGone, Sessions, check_picture
from stylecinegan.app.settings import Limits, PreviewSettings
from stylecinegan.app.video import Animate, bounded, collect, make_video
from stylecinegan.app.worker import Job, Worker
from stylecinegan.errors import InputError

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
VIDEO_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".webp": "image/webp"}
VIDEO_TYPES[".gif"] = "image/gif"
FRAME, MASK, NEWS = 1, 2, 3
"""Kinds of messages in a preview's stream."""

Answer = Callable[[Request], Awaitable[Response]]


class App:
    """The app: sessions, the worker, and what is answered to whom.

    Args:
        load_model: Makes the networks; called in the worker's thread.
        animate: Makes the cinemagraph of a video at full size.
        example: The photo that is there at first.
        preview: Settings of the preview.
        limits: What one machine takes on.
        allowed_hosts: Names under which the app is reached.
        token: What a visitor must know, ``None`` if nothing.
        root_path: Where a proxy shows the app, such as ``/loops``, if it hands the whole path on.
    """

    def __init__(
        self,
        load_model: Callable[[], StyleCineGAN],
        animate: Animate,
        example: Path,
        *,
        preview: PreviewSettings | None = None,
        limits: Limits | None = None,
        allowed_hosts: list[str],
        token: str | None = None,
        root_path: str = "",
    ) -> None:
        self.preview = preview or PreviewSettings()
        self.limits = limits or Limits()
        self.worker = Worker()
        self.sessions = Sessions(self.limits, self._forget)
        self._example = example
        self._load_model = load_model
        self._animate = animate
        self._model: StyleCineGAN | None = None
        self._files = {
            path.name: (path.read_bytes(), KINDS[path.suffix])
            for path in PAGE.iterdir()
            if path.suffix in KINDS
        }
        session = "/api/sessions/{id}"
        routes = [
            Route("/", self._page),
            Route("/page/{name}", self._file),
            Route("/api/sessions", told(self._create), methods=["POST"]),
            Route(session, told(self._describe), methods=["GET"]),
            Route(session, told(self._remove), methods=["DELETE"]),
            Route(f"{session}/photo", told(self._photo), methods=["GET"]),
            Route(f"{session}/preview", told(self._preview), methods=["POST"]),
            Route(f"{session}/style", told(self._style), methods=["POST"]),
            Route(f"{session}/render", told(self._render), methods=["POST"]),
            Route(f"{session}/render", told(self._cancel), methods=["DELETE"]),
            Route(f"{session}/video", told(self._video), methods=["GET"]),
            Route(f"{session}/file", told(self._session_file), methods=["POST"]),
            Route(f"{session}/command", told(self._command), methods=["POST"]),
        ]
        guard = Middleware(
            Guard, allowed_hosts=allowed_hosts, token=token, root_path=root_path.rstrip("/")
        )
        self.asgi = Starlette(routes=routes, middleware=[guard], lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, asgi: Starlette) -> AsyncIterator[None]:
        self.worker.start()
        self.worker.submit(Job("", lambda job: self._get_model() and None, _ignore))
        expiring = asyncio.create_task(self._expire())
        try:
            yield
        finally:
            expiring.cancel()
            await asyncio.to_thread(self.worker.stop)
            self.sessions.close()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(min(60.0, 60.0 * self.limits.idle_minutes))
            self.sessions.expire()

    def _get_model(self) -> StyleCineGAN:
        """The model; in the worker's thread only."""
        if self._model is None:
            self._model = self._load_model()
            make_interruptible(self._model, self.worker.check)
        return self._model

    def _forget(self, session: Session) -> None:
        self.worker.cancel_session(session.id)

        def clean(job: Job) -> None:
            shutil.rmtree(session.folder, ignore_errors=True)

        self.worker.submit(Job("", clean, _ignore))

    def _find(self, request: Request) -> Session:
        return self.sessions.find(request.path_params["id"])

    # Files of the page

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(self._files["index.html"][0])

    async def _file(self, request: Request) -> Response:
        # A name is looked up among those that were read at the start; none reaches the disk.
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response("no such file\n", 404, media_type="text/plain")
        return Response(found[0], media_type=found[1])

    # Sessions

    async def _create(self, request: Request) -> Response:
        is_example = request.query_params.get("example") is not None
        name = self._example.stem if is_example else unquote(request.headers.get("x-name", ""))
        self.sessions.check_disk()
        session = self.sessions.create(name)
        try:
            upload = session.folder / "upload"
            if is_example:
                shutil.copyfile(self._example, upload)
            else:
                most = self.limits.upload_mib << 20
                await save_body(request, upload, most, self.limits.stall_s)
            await self._compute(session, lambda job: self._open(session, upload))
        except BaseException:
            self.sessions.remove(session)
            raise
        self.sessions.add(session)
        return self._description(session, 201)

    def _open(self, session: Session, upload: Path) -> None:
        if upload.stat().st_size == 0:
            raise InputError("the file is empty: wanted a photo")
        if is_session_file(upload):
            contents = read_session(upload, max_bytes=self.limits.upload_mib << 20)
            upload.unlink()
            session.name, session.edits = contents.name, contents.edits
            session.video_settings = contents.video
            for name, data in contents.files.items():
                (session.folder / name).write_bytes(data)
                if name.startswith("style."):
                    session.style = session.folder / name
                elif name.startswith("photo."):
                    upload = session.folder / name
            if session.style is not None:
                check_picture(session.style, "the style picture", self.limits)
        session.open(upload, self.preview, self.limits)

    async def _describe(self, request: Request) -> Response:
        return self._description(self._find(request), 200)

    def _description(self, session: Session, status: int) -> Response:
        height, width = session.size
        return JSONResponse(
            {
                "id": session.id,
                "name": session.name,
                "width": width,
                "height": height,
                "edits": session.edits.to_json(),
                "video": asdict(session.video_settings),
                "has_style": session.style is not None,
                "limits": {
                    "render_side": self.limits.render_side,
                    "render_frames": self.limits.render_frames,
                },
            },
            status,
        )

    async def _remove(self, request: Request) -> Response:
        self.sessions.remove(self._find(request))
        return Response(status_code=204)

    async def _photo(self, request: Request) -> Response:
        return Response(self._find(request).page_picture, media_type="image/jpeg")

    async def _style(self, request: Request) -> Response:
        session = self._find(request)
        self.sessions.check_disk()
        upload = session.folder / "style-upload"
        await save_body(request, upload, self.limits.upload_mib << 20, self.limits.stall_s)

        def take(job: Job) -> None:
            try:
                suffix = check_picture(upload, "the style picture", self.limits)
            except BaseException:
                upload.unlink(missing_ok=True)
                raise
            if session.style is not None:
                session.style.unlink(missing_ok=True)
            session.style = upload.rename(session.folder / f"style{suffix}")
            session.style_codes = None

        await self._compute(session, take)
        return JSONResponse({"has_style": True})

    # Previews and videos

    async def _preview(self, request: Request) -> Response:
        session = self._find(request)
        edits = parse_edits((await read_json(request, self.limits.stall_s)).get("edits", {}))
        session.edits = edits

        def run(job: Job) -> None:
            make_preview(job, self._get_model(), session, edits, self.preview)

        job, news = self._job(session, run, replaces="preview")
        return StreamingResponse(_stream(job, news, _packed), media_type="application/octet-stream")

    async def _render(self, request: Request) -> Response:
        session = self._find(request)
        entries = await read_json(request, self.limits.stall_s)
        edits = parse_edits(entries.get("edits", {}))
        settings = parse_video_settings(entries.get("video", {}), self.limits)
        session.edits, session.video_settings = edits, settings
        settings = bounded(settings, session.size, self.limits)
        self.sessions.check_disk()

        def run(job: Job) -> None:
            model = self._get_model()
            make_video(job, self.worker, model, session, edits, settings, self._animate)

        job, news = self._job(session, run, is_urgent=False, replaces="render")
        return StreamingResponse(_stream(job, news, _line), media_type="application/x-ndjson")

    async def _cancel(self, request: Request) -> Response:
        self.worker.cancel(self._find(request).id, "render")
        return Response(status_code=204)

    async def _video(self, request: Request) -> Response:
        session = self._find(request)
        if session.video is None or not session.video.is_file():
            raise InputError("there is no finished video: make one first")
        suffix = session.video.suffix
        return FileResponse(
            session.video,
            media_type=VIDEO_TYPES[suffix],
            headers=_named(f"{session.name}{suffix}"),
        )

    async def _session_file(self, request: Request) -> Response:
        session = self._find(request)
        contents = await self._contents(request, session)
        data = await asyncio.to_thread(write_session, contents)
        headers = _named(f"{session.name}{SUFFIX}")
        return Response(data, media_type="application/zip", headers=headers)

    async def _command(self, request: Request) -> Response:
        session = self._find(request)
        contents = await self._contents(request, session)
        names = {name.split(".")[0]: f"{session.name}_{name}" for name in contents.files}
        names["photo"] = f"{session.name}{Path(next(iter(contents.files))).suffix}"
        settings = bounded(contents.video, session.size, self.limits)
        line = command(
            overrides(contents.edits, settings, names), f"{session.name}.{settings.format}"
        )
        saved = f"session={session.name}{SUFFIX}"
        return JSONResponse({"command": line, "from_session": f"stylecinegan generate {saved}"})

    async def _contents(self, request: Request, session: Session) -> SessionContents:
        entries = await read_json(request, self.limits.stall_s)
        edits = parse_edits(entries.get("edits", {}))
        settings = parse_video_settings(entries.get("video", {}), self.limits)
        found: list[SessionContents] = []

        def run(job: Job) -> None:
            found.append(collect(self._get_model(), session, edits, settings))

        await self._compute(session, run)
        return found[0]

    def _job(
        self,
        session: Session,
        run: Callable[[Job], None],
        *,
        is_urgent: bool = True,
        replaces: str | None = None,
    ) -> tuple[Job, "asyncio.Queue[Any]"]:
        """Submits a job; what it says comes out of the queue."""
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[Any] = asyncio.Queue()

        def report(message: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(news.put_nowait, message)

        job = Job(session.id, run, report, is_urgent=is_urgent, replaces=replaces)
        self.worker.submit(job)
        return job, news

    async def _compute(self, session: Session, run: Callable[[Job], None]) -> None:
        """Has something computed and waits for it.

        Raises:
            InputError: If the work does, or the session ends.
        """
        job, news = self._job(session, run)
        try:
            while True:
                message = await news.get()
                if message["type"] == "error":
                    raise InputError(message["message"])
                if message["type"] == "cancelled":
                    raise SessionGone("this session is over: open the photo again")
                if message["type"] == "done":
                    return
        finally:
            job.cancel()


def told(answer: Answer) -> Answer:
    """Tells the page in one line what it did wrong."""

    async def answering(request: Request) -> Response:
        try:
            return await answer(request)
        except InputError as error:
            kinds = {SessionGone: 410, TooLarge: 413}
            headers = {"connection": "close"} if isinstance(error, TooLarge) else None
            status = kinds.get(type(error), 400)
            return JSONResponse({"message": str(error)}, status, headers)

    return answering


async def _stream(
    job: Job, news: "asyncio.Queue[Any]", encode: Callable[[Any], bytes]
) -> AsyncIterator[bytes]:
    """Events of a job until it ends; a client that disconnects ends it."""
    try:
        while True:
            message = await news.get()
            yield encode(message)
            if isinstance(message, dict) and message["type"] in ("done", "error", "cancelled"):
                return
    finally:
        job.cancel()


def _packed(message: Any) -> bytes:
    """A message's kind, its length (big-endian, 4 bytes) and what it says."""
    if isinstance(message, dict):
        kind, data = NEWS, json.dumps(message).encode()
    else:
        kind, data = (FRAME if message[0] == "frame" else MASK), message[1]
    return struct.pack(">BI", kind, len(data)) + data


def _line(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _named(name: str) -> dict[str, str]:
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def _ignore(message: Any) -> None: ...
