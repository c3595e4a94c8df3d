"""Routes that open, describe and delete sessions and set their style picture."""

import shutil
from dataclasses import asdict
from pathlib import Path
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stylecinegan.app.pictures import check_picture
from stylecinegan.app.requests import save_body
from stylecinegan.app.responses import reports_input_errors
from stylecinegan.app.service import Service
from stylecinegan.app.session_file import is_session_file, read_session
from stylecinegan.app.sessions import Session
from stylecinegan.app.worker import Job
from stylecinegan.errors import InputError


class SessionRoutes:
    """Routes of sessions.

    Args:
        service: The service that holds the sessions.
        example: The example photo.
    """

    def __init__(self, service: Service, example: Path) -> None:
        self._service = service
        self._example = example

    def routes(self) -> list[Route]:
        """Lists the routes."""
        session = "/api/sessions/{id}"
        return [
            Route("/api/sessions", reports_input_errors(self._create), methods=["POST"]),
            Route(session, reports_input_errors(self._describe), methods=["GET"]),
            Route(session, reports_input_errors(self._remove), methods=["DELETE"]),
            Route(f"{session}/photo", reports_input_errors(self._photo), methods=["GET"]),
            Route(f"{session}/style", reports_input_errors(self._style), methods=["POST"]),
        ]

    async def _create(self, request: Request) -> Response:
        is_example = request.query_params.get("example") is not None
        name = self._example.stem if is_example else unquote(request.headers.get("x-name", ""))
        replaced = request.headers.get("x-replaces", "")
        self._service.sessions.check_disk()
        session = self._service.sessions.create(name)
        try:
            upload = session.folder / "upload"
            if is_example:
                shutil.copyfile(self._example, upload)
            else:
                limits = self._service.limits
                await save_body(request, upload, limits.upload_mib << 20, limits.stall_s)
            self._service.sessions.make_room(replaced)  # once all is sent, as browsers want it
            await self._service.compute(session, lambda job: self._open(session, upload))
            self._service.sessions.add(session, replaced)
        except BaseException:
            self._service.sessions.remove(session)
            raise
        return self._description(session, 201)

    def _open(self, session: Session, upload: Path) -> None:
        if upload.stat().st_size == 0:
            raise InputError("the file is empty: wanted a photo")
        if is_session_file(upload):
            contents = read_session(upload, max_bytes=self._service.limits.upload_mib << 20)
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
                check_picture(session.style, "the style picture", self._service.limits)
        session.open(upload, self._service.preview, self._service.limits)

    async def _describe(self, request: Request) -> Response:
        return self._description(self._service.find(request), 200)

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
                    "render_side": self._service.limits.render_side,
                    "render_frames": self._service.limits.render_frames,
                },
            },
            status,
        )

    async def _remove(self, request: Request) -> Response:
        self._service.sessions.remove(self._service.find(request))
        return Response(status_code=204)

    async def _photo(self, request: Request) -> Response:
        return Response(self._service.find(request).page_picture, media_type="image/jpeg")

    async def _style(self, request: Request) -> Response:
        session = self._service.find(request)
        self._service.sessions.check_disk()
        upload, limits = session.folder / "style-upload", self._service.limits
        await save_body(request, upload, limits.upload_mib << 20, limits.stall_s)

        def take(job: Job) -> None:
            try:
                suffix = check_picture(upload, "the style picture", limits)
            except BaseException:
                upload.unlink(missing_ok=True)
                raise
            if session.style is not None:
                session.style.unlink(missing_ok=True)
            session.style = upload.rename(session.folder / f"style{suffix}")
            session.style_codes = None

        await self._service.compute(session, take)
        return JSONResponse({"has_style": True})
