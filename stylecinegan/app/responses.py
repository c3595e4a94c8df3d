"""Responses of the server: input errors, message streams of jobs, downloads."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stylecinegan.app.requests import TooLarge
from stylecinegan.app.sessions import ServerFull, SessionGone
from stylecinegan.app.worker import Job
from stylecinegan.errors import InputError

FRAME, MASK, STATUS = 1, 2, 3
"""Message types of a preview's stream."""

ENDS = ("done", "error", "cancelled")
"""Types of a job's last message."""

ALIVE_S = 5.0
"""Seconds of silence after which a stream says that the job still runs or waits: proxies end a
silent response, and a page cannot tell it from a server that is gone."""

FULL_RETRY_S = 10
"""Seconds after which a client that was refused for lack of room should try again."""

Handler = Callable[[Request], Awaitable[Response]]


def reports_input_errors(handler: Handler) -> Handler:
    """Decorates a handler so that input errors become responses with a one-line message."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except InputError as error:
            status, headers = 400, {}
            if isinstance(error, SessionGone):
                status = 410
            elif isinstance(error, TooLarge):
                status, headers = 413, {"connection": "close"}
            elif isinstance(error, ServerFull):
                status, headers = 503, {"retry-after": str(FULL_RETRY_S)}
            return JSONResponse({"message": str(error)}, status, headers)

    return handle


async def stream(
    job: Job, messages: "asyncio.Queue[Any]", encode: Callable[[Any], bytes]
) -> AsyncIterator[bytes]:
    """Yields a job's encoded messages until it ends; cancels it if the client disconnects."""
    try:
        while True:
            try:
                message = await asyncio.wait_for(messages.get(), ALIVE_S)
            except TimeoutError:
                message = {"type": "alive"}
            yield encode(message)
            if isinstance(message, dict) and message["type"] in ENDS:
                return
    finally:
        job.cancel()


def pack_message(message: Any) -> bytes:
    """Packs a message: type (1 byte), length of the payload (4 bytes, big-endian), payload."""
    if isinstance(message, dict):
        kind, data = STATUS, json.dumps(message).encode()
    else:
        kind, data = (FRAME if message[0] == "frame" else MASK), message[1]
    return struct.pack(">BI", kind, len(data)) + data


def json_line(message: Any) -> bytes:
    """Encodes a message as a line of JSON."""
    return json.dumps(message).encode() + b"\n"


def attachment(name: str) -> dict[str, str]:
    """Headers that make the browser save a response under a file name."""
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
