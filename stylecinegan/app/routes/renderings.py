"""Routes of a session's results: preview, video, session file, command line."""

import asyncio
from dataclasses import replace
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stylecinegan.app.edits import parse_edits, parse_flag, parse_video_settings
from stylecinegan.app.preview import make_preview
from stylecinegan.app.requests import read_json
from stylecinegan.app.responses import (
    attachment,
    json_line,
    pack_message,
    reports_input_errors,
    stream,
)
from stylecinegan.app.service import Service
from stylecinegan.app.session_file import (
    SUFFIX,
    SessionContents,
    command,
    overrides,
    write_session,
)
from stylecinegan.app.sessions import Session
from stylecinegan.app.video import Animate, collect_contents, limit_size, make_video
from stylecinegan.app.worker import Job
from stylecinegan.errors import InputError

VIDEO_TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".gif": "image/gif",
}


class RenderingRoutes:
    """Routes of previews, videos and session files.

    Args:
        service: The service that holds the sessions and the worker.
        animate: Makes the cinemagraph of a full-size video.
    """

    def __init__(self, service: Service, animate: Animate) -> None:
        self._service = service
        self._animate = animate

    def routes(self) -> list[Route]:
        """Lists the routes."""
        session = "/api/sessions/{id}"
        return [
            Route(f"{session}/preview", reports_input_errors(self._preview), methods=["POST"]),
            Route(f"{session}/render", reports_input_errors(self._render), methods=["POST"]),
            Route(f"{session}/render", reports_input_errors(self._cancel), methods=["DELETE"]),
            Route(f"{session}/video", reports_input_errors(self._video), methods=["GET"]),
            Route(f"{session}/file", reports_input_errors(self._session_file), methods=["POST"]),
            Route(f"{session}/command", reports_input_errors(self._command), methods=["POST"]),
        ]

    async def _preview(self, request: Request) -> Response:
        session = self._service.find(request)
        entries = await read_json(request, self._service.limits.stall_s)
        edits = parse_edits(entries.get("edits", {}))
        is_steady = parse_flag(entries.get("is_steady", False), "is_steady")
        session.edits = edits
        # Where somebody draws on a moving picture, nothing would land where it was meant to.
        shown = replace(edits, camera="none") if is_steady else edits

        def run(job: Job) -> None:
            make_preview(job, self._service.model(), session, shown, self._service.preview)

        job, messages = self._service.submit(session, run, replaces="preview")
        return StreamingResponse(
            stream(job, messages, pack_message), media_type="application/octet-stream"
        )

    async def _render(self, request: Request) -> Response:
        session = self._service.find(request)
        entries = await read_json(request, self._service.limits.stall_s)
        edits = parse_edits(entries.get("edits", {}))
        settings = parse_video_settings(entries.get("video", {}), self._service.limits)
        session.edits, session.video_settings = edits, settings
        settings = limit_size(settings, session.size, self._service.limits)
        self._service.sessions.check_disk()

        def run(job: Job) -> None:
            model = self._service.model()
            make_video(job, self._service.worker, model, session, edits, settings, self._animate)

        job, messages = self._service.submit(session, run, is_urgent=False, replaces="render")
        return StreamingResponse(
            stream(job, messages, json_line), media_type="application/x-ndjson"
        )

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
        settings = limit_size(contents.video, session.size, self._service.limits)
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
            found.append(collect_contents(self._service.model(), session, edits, settings))

        await self._service.compute(session, run)
        return found[0]
