"""Answers to the page: errors in one line, streams of what a job says, downloads."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stylecinegan.app.requests import TooLarge
from stylecinegan.app.sessions import SessionGone
from stylecinegan.app.worker import Job
from stylecinegan.errors import InputError

FRAME, MASK, NEWS = 1, 2, 3
"""Kinds of messages in a preview's stream."""

ENDS = ("done", "error", "cancelled")
"""Types of a job's last message."""

Answer = Callable[[Request], Awaitable[Response]]


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


async def stream(
    job: Job, news: "asyncio.Queue[Any]", encode: Callable[[Any], bytes]
) -> AsyncIterator[bytes]:
    """Events of a job until it ends; a client that disconnects ends it."""
    try:
        while True:
            message = await news.get()
            yield encode(message)
            if isinstance(message, dict) and message["type"] in ENDS:
                return
    finally:
        job.cancel()


def packed(message: Any) -> bytes:
    """A message's kind, its length (big-endian, 4 bytes) and what it says."""
    if isinstance(message, dict):
        kind, data = NEWS, json.dumps(message).encode()
    else:
        kind, data = (FRAME if message[0] == "frame" else MASK), message[1]
    return struct.pack(">BI", kind, len(data)) + data


def line(message: Any) -> bytes:
    """A message as a line of JSON."""
    return json.dumps(message).encode() + b"\n"


def attachment(name: str) -> dict[str, str]:
    """Headers of a file that the browser saves under a name."""
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
