"""Load test of the browser app: many simulated users who edit at the same time."""

import http.client
import json
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from stylecinegan.benchmarks.app_server import AppServer

MESSAGE = struct.Struct(">BI")
"""Header of each message of a preview: kind and length of the content, big-endian."""

STATUS = 3
"""Kind of the messages that hold a status as JSON."""

FIRST_EDITS = 4
"""Edits of each user that are shown before a load begins: two strokes and two arrows."""


@dataclass(frozen=True)
class LoadTest:
    """Settings of a load test.

    Attributes:
        num_sessions: Number of users.
        every_s: Interval between the edits of a user, in seconds.
        duration_s: Duration of the test, in seconds.
    """

    num_sessions: int
    every_s: float
    duration_s: float


@dataclass
class LoadResult:
    """Result of a load test.

    Attributes:
        num_edits: Edits that were made.
        num_shown: Edits whose loop was rendered.
        num_replaced: Edits that a newer one cancelled.
        num_lost: Users whose last edit did not end with a loop.
        errors: Messages of all errors.
        seconds: Time from edit to rendered loop, one entry per edit that was shown.
        memory: Samples of the server's memory: seconds since the start, bytes.
    """

    num_edits: int = 0
    num_shown: int = 0
    num_replaced: int = 0
    num_lost: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, outcome: str, seconds: float) -> None:
        """Counts an edit.

        Args:
            outcome: Result of :func:`outcome_of`.
            seconds: Time from the edit to its outcome.
        """
        with self._lock:
            self.num_edits += 1
            if outcome == "done":
                self.num_shown += 1
                self.seconds.append(seconds)
            elif outcome == "cancelled":
                self.num_replaced += 1
            else:
                self.errors.append(outcome)

    def forget_edits(self) -> None:
        """Sets the counts to zero, but keeps the errors."""
        self.num_edits = self.num_shown = self.num_replaced = 0
        self.seconds.clear()


def run_load_test(server: AppServer, photo: bytes, test: LoadTest) -> LoadResult:
    """Simulates many users who edit at the same time.

    Before that, the users make :data:`FIRST_EDITS` each, one at a time: on a busy machine, a user
    may otherwise see the first loop only after minutes, and memory would grow until then.

    Args:
        server: The app.
        photo: Image file that every user uploads.
        test: Number of users, interval and duration.
    """
    load = LoadResult()
    users = [_User(server, photo, load) for _ in range(test.num_sessions)]
    for number in range(FIRST_EDITS):
        for user in users:
            user.edit(number)
    load.forget_edits()
    begin = time.monotonic()
    numbers = range(FIRST_EDITS, FIRST_EDITS + max(1, int(test.duration_s / test.every_s)))
    offset_s = test.every_s / test.num_sessions  # between users, so that edits are spread evenly
    threads = [
        threading.Thread(target=user.keep_editing, args=(numbers, test.every_s, offset_s * index))
        for index, user in enumerate(users)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        load.memory.append((time.monotonic() - begin, server.resident_bytes))
        time.sleep(0.5)
    # Nothing newer can have replaced a user's last edit: its loop must have been shown.
    load.num_lost = sum(user.last_outcome != "done" for user in users)
    return load


class _User:
    """A simulated user, with a session of their own, whose edits are counted."""

    def __init__(self, server: AppServer, photo: bytes, load: LoadResult) -> None:
        session = json.loads(server.post("/api/sessions", photo))["id"]
        self._path = f"/api/sessions/{session}/preview"
        self._server = server
        self._load = load
        self._last_number = -1
        self.last_outcome = ""

    def edit(self, number: int) -> None:
        """Requests the loop of an edit and waits for it."""
        start = time.perf_counter()
        body = json.dumps({"edits": edits_after(number)}).encode()
        try:
            outcome = outcome_of(self._server.post(self._path, body))
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            outcome = str(error)
        self._load.count(outcome, time.perf_counter() - start)
        if number > self._last_number:
            self._last_number, self.last_outcome = number, outcome

    def keep_editing(self, numbers: range, every_s: float, offset_s: float) -> None:
        """Edits at regular times, without waiting for the loops of earlier edits.

        Args:
            numbers: Numbers of the edits.
            every_s: Seconds between two edits.
            offset_s: Seconds before the first one.
        """
        threads = [threading.Thread(target=self.edit, args=(number,)) for number in numbers]
        time.sleep(offset_s)
        for thread in threads:
            thread.start()
            time.sleep(every_s)
        for thread in threads:
            thread.join()


def edits_after(number: int) -> dict[str, Any]:
    """All edits of a user after edit ``number``: the latest eight, strokes and arrows in turn."""
    edits: dict[str, Any] = {"strokes": [], "arrows": [], "speed": 1.0 + number % 3}
    for earlier in range(max(0, number - 7), number + 1):
        y = 0.05 + 0.3 * (earlier * 0.37 % 1.0)
        if earlier % 2:  # beside the arrows, which must touch a moving region
            points = [[0.8, y], [0.95, y]]
            edits["strokes"].append({"kind": "stays", "points": points, "radius": 0.02})
        else:
            edits["arrows"].append([[0.7, y], [0.3, y + 0.02]])
    return edits


def outcome_of(stream: bytes) -> str:
    """Final status of a preview: ``"done"``, ``"cancelled"`` or the message of an error.

    Args:
        stream: Body of the response.
    """
    last = {"type": "the response ended early"}
    for kind, content in split_messages(stream):
        if kind == STATUS:
            last = json.loads(content)
    return last.get("message", last["type"])


def split_messages(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Splits the body of a preview's response into its complete messages.

    Yields:
        Kind and content of each message.
    """
    position = 0
    while position + MESSAGE.size <= len(stream):
        kind, length = MESSAGE.unpack_from(stream, position)
        position += MESSAGE.size
        yield kind, stream[position : position + length]
        position += length


def memory_growth(memory: Sequence[tuple[float, int]], settled_s: float) -> float:
    """Ratio of the memory at the end to that after warm-up.

    Args:
        memory: Seconds since the start and bytes of each sample.
        settled_s: End of the warm-up, in seconds.

    Returns:
        Ratio of the medians of the last and the first tenth of the time after the warm-up.
    """
    end = memory[-1][0]
    window = max(1.0, 0.1 * (end - settled_s))
    first = [size for at, size in memory if settled_s <= at <= settled_s + window]
    last = [size for at, size in memory if at >= end - window]
    return median(last) / median(first or [memory[0][1]])
