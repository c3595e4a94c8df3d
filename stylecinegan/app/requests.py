"""Checks of requests: host, origin, token and size of the body."""

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
"""Header that the page sets; other sites cannot without a CORS preflight, which is refused."""

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
    """The body of a request exceeds the limit."""


class Guard:
    """Middleware that accepts only requests of the app's own page.

    Args:
        app: The guarded application.
        allowed_hosts: Host names of the app, with a port or without; one without a port allows
            any.
        token: Access token that visitors need, ``None`` for open access.
        root_path: Prefix that is stripped from paths.
    """

    def __init__(
        self, app: ASGIApp, allowed_hosts: Iterable[str], token: str | None, root_path: str = ""
    ) -> None:
        self._app = app
        self._root_path = root_path
        self._hosts = {host.lower() for host in allowed_hosts}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on to the application, or refuses it."""
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
        return self._refuse_without_token(scope, headers)

    def _refuse_without_token(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        if self._token is None:
            return None
        request = Request(scope)
        if scope["method"] == "GET" and self._is_token(request.query_params.get("token")):
            # A token in the address would end up in histories and shared links.
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


async def body_chunks(request: Request, most: int, stall_s: float) -> AsyncIterator[bytes]:
    """Yields the body of a request as it arrives.

    Raises:
        TooLarge: If it exceeds ``most`` bytes.
        InputError: If nothing arrives for ``stall_s`` seconds, or the client disconnects.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > most:
        raise TooLarge(f"files may have at most {most / 2**20:g} MiB, got {int(announced) >> 20}")
    total = 0
    stream = request.stream().__aiter__()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), stall_s)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise InputError("the upload stopped half-way: try again") from None
        except ClientDisconnect:
            raise InputError("the upload was interrupted: try again") from None
        total += len(chunk)
        if total > most:
            raise TooLarge(f"files may have at most {most / 2**20:g} MiB, got more")
        yield chunk


async def save_body(request: Request, path: Path, most: int, stall_s: float) -> None:
    """Writes the body of a request to a file; errors as in :func:`body_chunks`."""
    try:
        with path.open("wb") as file:
            async for chunk in body_chunks(request, most, stall_s):
                file.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def read_json(request: Request, stall_s: float) -> dict[str, Any]:
    """Reads the JSON object in the body of a request; an empty body is an empty object.

    Raises:
        InputError: If the body is no JSON object, or not received in time.
    """
    body = bytearray()
    async for chunk in body_chunks(request, MAX_JSON_BYTES, stall_s):
        body += chunk
    try:
        entries = json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError("the request must hold JSON") from error
    if not isinstance(entries, dict):
        raise InputError("the request must hold a JSON object")
    return entries
