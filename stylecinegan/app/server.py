"""The app's ASGI application; a single worker thread does all computation."""

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from stylecinegan import StyleCineGAN
from stylecinegan.app.requests import Guard
from stylecinegan.app.routes.page import PageRoutes
from stylecinegan.app.routes.renderings import RenderingRoutes
from stylecinegan.app.routes.sessions import SessionRoutes
from stylecinegan.app.service import Service
from stylecinegan.app.settings import Limits, PreviewSettings
from stylecinegan.app.video import Animate


class App:
    """The browser app: sessions, worker, routes and access control.

    Args:
        load_model: Loads the model; called in the worker's thread.
        animate: Makes the cinemagraph of a full-size video.
        example: The example photo.
        preview: Settings of the preview.
        limits: Limits of this server.
        allowed_hosts: Host names of the app.
        token: Access token that visitors need, ``None`` for open access.
        root_path: Path of the app behind a proxy that forwards whole paths, such as ``/loops``.
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
        self._service = Service(load_model, preview or PreviewSettings(), limits or Limits())
        self.worker, self.sessions = self._service.worker, self._service.sessions
        routes = [
            *PageRoutes().routes(),
            *SessionRoutes(self._service, example).routes(),
            *RenderingRoutes(self._service, animate).routes(),
        ]
        guard = Middleware(
            Guard, allowed_hosts=allowed_hosts, token=token, root_path=root_path.rstrip("/")
        )
        self.asgi = Starlette(
            routes=routes, middleware=[guard], lifespan=lambda asgi: self._service.running()
        )
