"""The app's server: pages and answers, with all computation handed to one thread."""

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
