"""Static files of the page, read once at the start."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parents[1] / "page"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class PageRoutes:
    """Routes of the page and its files."""

    def __init__(self) -> None:
        self._files = {
            path.name: (path.read_bytes(), KINDS[path.suffix])
            for path in FOLDER.iterdir()
            if path.suffix in KINDS
        }

    def routes(self) -> list[Route]:
        """Lists the routes."""
        return [Route("/", self._page), Route("/page/{name}", self._file)]

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(self._files["index.html"][0])

    async def _file(self, request: Request) -> Response:
        # Looked up among the files read at the start: no name of a request reaches the disk.
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response("no such file\n", 404, media_type="text/plain")
        return Response(found[0], media_type=found[1])
