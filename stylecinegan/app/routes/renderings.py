"""Results of a session: the preview, the video, the session's file, the command."""

import asyncio
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stylecinegan.app.answers import attachment, line, packed, stream, told
from stylecinegan.app.edits import parse_edits, parse_video_settings
from stylecinegan.app.preview import make_preview
from stylecinegan.app.requests import read_json
from stylecinegan.app.service import Service
from stylecinegan.app.session_file import (
    SUFFIX,
    SessionContents,
    command,
    overrides,
    write_session,
)
from stylecinegan.app.sessions import Session
from stylecinegan.app.video import Animate, bounded, collect, make_video
from stylecinegan.app.worker import Job
from stylecinegan.errors import InputError

VIDEO_TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".gif": "image/gif",
}


class RenderingRoutes:
    """Previews, videos and files of sessions.

    Args:
        service: Where the sessions are kept and computed.
        animate: Makes the cinemagraph of a video at full size.
    """

    def __init__(self, service: Service, animate: Animate) -> None:
        self._service = service
        self._animate = animate

    def routes(self) -> list[Route]:
        """Their addresses."""
        session = "/api/sessions/{id}"
        return [
            Route(f"{session}/preview", told(self._preview), methods=["POST"]),
            Route(f"{session}/render", told(self._render), methods=["POST"]),
            Route(f"{session}/render", told(self._cancel), methods=["DELETE"]),
            Route(f"{session}/video", told(self._video), methods=["GET"]),
            Route(f"{session}/file", told(self._session_file), methods=["POST"]),
            Route(f"{session}/command", told(self._command), methods=["POST"]),
        ]

    async def _preview(self, request: Request) -> Response:
        session = self._service.find(request)
        entries = await read_json(request, self._service.limits.stall_s)
        edits = parse_edits(entries.get("edits", {}))
        session.edits = edits

        def run(job: Job) -> None:
            make_preview(job, self._service.model(), session, edits, self._service.preview)

        job, news = self._service.submit(session, run, replaces="preview")
        return StreamingResponse(stream(job, news, packed), media_type="application/octet-stream")

    async def _render(self, request: Request) -> Response:
        session = self._service.find(request)
        entries = await read_json(request, self._service.limits.stall_s)
        edits = parse_edits(entries.get("edits", {}))
        settings = parse_video_settings(entries.get("video", {}), self._service.limits)
        session.edits, session.video_settings = edits, settings
        settings = bounded(settings, session.size, self._service.limits)
        self._service.sessions.check_disk()

        def run(job: Job) -> None:
            model = self._service.model()
            make_video(job, self._service.worker, model, session, edits, settings, self._animate)

        job, news = self._service.submit(session, run, is_urgent=False, replaces="render")
        return StreamingResponse(stream(job, news, line), media_type="application/x-ndjson")

    async def _cancel(self, request: Request) -> Response:
        self._service.worker.cancel(self._service.find(request).id, "render")
        return Response(status_code=204)

    async def _video(self, request: Request) -> Response:
        session = self._service.find(request)
        if session.video is None or not session.video.is_file():
            raise InputError("there is no finished video: make one first")
        suffix = session.video.suffix
        return FileResponse(
            session.video,
            media_type=VIDEO_TYPES[suffix],
            headers=attachment(f"{session.name}{suffix}"),
        )

    async def _session_file(self, request: Request) -> Response:
        session = self._service.find(request)
        contents = await self._contents(request, session)
        data = await asyncio.to_thread(write_session, contents)
        headers = attachment(f"{session.name}{SUFFIX}")
        return Response(data, media_type="application/zip", headers=headers)

    async def _command(self, request: Request) -> Response:
        session = self._service.find(request)
        contents = await self._contents(request, session)
        names = {name.split(".")[0]: f"{session.name}_{name}" for name in contents.files}
        names["photo"] = f"{session.name}{Path(next(iter(contents.files))).suffix}"
        settings = bounded(contents.video, session.size, self._service.limits)
        typed = command(
            overrides(contents.edits, settings, names), f"{session.name}.{settings.format}"
        )
        saved = f"session={session.name}{SUFFIX}"
        return JSONResponse({"command": typed, "from_session": f"stylecinegan generate {saved}"})

    async def _contents(self, request: Request, session: Session) -> SessionContents:
        entries = await read_json(request, self._service.limits.stall_s)
        edits = parse_edits(entries.get("edits", {}))
        settings = parse_video_settings(entries.get("video", {}), self._service.limits)
        found: list[SessionContents] = []

        def run(job: Job) -> None:
            found.append(collect(self._service.model(), session, edits, settings))

        await self._service.compute(session, run)
        return found[0]
