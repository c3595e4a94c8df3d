"""Checks of a request before anything else: its origin and its size."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stylecinegan.errors import InputError

MAX_JSON_BYTES = 8 << 20
COOKIE = "stylecinegan_token"
HEADER = "x-stylecinegan"
"""Set by the page: another site's page cannot, without asking this server first."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class TooLarge(InputError):
    """A request brings more than is allowed."""


class Guard:
    """Lets through only requests of the app's own page.

    Args:
        app: What it guards.
        allowed_hosts: Names under which the app is reached, in lower case, with a port or without;
            one without stands for every port.
        token: What a visitor must know, ``None`` if nothing.
        root_path: Prefix of paths that is taken away where it is there.
    """

    def __init__(
        self, app: ASGIApp, allowed_hosts: Iterable[str], token: str | None, root_path: str = ""
    ) -> None:
        self._app = app
        self._root_path = root_path
        self._hosts = {host.lower() for host in allowed_hosts}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or hands it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if self._root_path and scope["path"].startswith(f"{self._root_path}/"):
            scope = {**scope, "path": scope["path"].removeprefix(self._root_path)}
        refusal = self._refuse(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return PlainTextResponse("this server does not go by that name\n", 421)
        origin = headers.get("origin")
        if origin is not None and not self._is_ours(urlsplit(origin).netloc):
            return PlainTextResponse("requests from other sites are not answered\n", 403)
        if scope["method"] not in ("GET", "HEAD") and HEADER not in headers:
            return PlainTextResponse(f"a request must have the header {HEADER}\n", 403)
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and (
            scope["method"] not in ("GET", "HEAD") or "/api/" in scope["path"]
        ):
            return PlainTextResponse("requests from other sites are not answered\n", 403)
        return self._refuse_stranger(scope, headers)

    def _refuse_stranger(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        if self._token is None:
            return None
        request = Request(scope)
        if scope["method"] == "GET" and self._is_token(request.query_params.get("token")):
            # Out of the address, where it would be seen and shared.
            response = RedirectResponse("./", 303)
            is_secure = headers.get("x-forwarded-proto", scope["scheme"]) == "https"
            response.set_cookie(
                COOKIE, self._token, httponly=True, samesite="strict", secure=is_secure
            )
            return response
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(request.cookies.get(COOKIE)) or self._is_token(bearer):
            return None
        return PlainTextResponse("open the address with the token that the server printed\n", 401)

    def _is_token(self, given: str | None) -> bool:
        assert self._token is not None
        return given is not None and secrets.compare_digest(given.encode(), self._token.encode())

    def _is_ours(self, host: str) -> bool:
        host = host.lower()
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return host in self._hosts or name in self._hosts


async def pieces(request: Request, most: int, stall_s: float) -> AsyncIterator[bytes]:
    """The body of a request, as it arrives.

    Raises:
        TooLarge: If it exceeds ``most`` bytes.
        InputError: If nothing arrives for ``stall_s`` seconds, or the client goes.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > most:
        raise TooLarge(f"at most {most / 2**20:g} MiB are taken, this has {int(announced) >> 20}")
    total = 0
    stream = request.stream().__aiter__()
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream), stall_s)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise InputError("the upload stopped half-way: try again") from None
        except ClientDisconnect:
            raise InputError("the upload was broken off: try again") from None
        total += len(piece)
        if total > most:
            raise TooLarge(f"at most {most / 2**20:g} MiB are taken, this has more")
        yield piece


async def save_body(request: Request, path: Path, most: int, stall_s: float) -> None:
    """Writes the body of a request to a file; errors as in :func:`pieces`."""
    try:
        with path.open("wb") as file:
            async for piece in pieces(request, most, stall_s):
                file.write(piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def read_json(request: Request, stall_s: float) -> dict[str, Any]:
    """The JSON object in the body of a request.

    Raises:
        InputError: If there is none.
    """
    body = bytearray()
    async for piece in pieces(request, MAX_JSON_BYTES, stall_s):
        body += piece
    try:
        entries = json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError("the request must hold JSON") from error
    if not isinstance(entries, dict):
        raise InputError("the request must hold a JSON object")
    return entries
