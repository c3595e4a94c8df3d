"""Latency of the browser app, and its behaviour under load."""

import contextlib
import http.client
import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from stylecinegan.benchmarks.visitor import Visitor
from stylecinegan.errors import InputError

MESSAGE = struct.Struct(">BI")
"""Header of each message of a preview: kind and length of the content, big-endian."""

STATUS = 3
"""Kind of the messages that hold a status as JSON."""

START_TIMEOUT_S = 180.0
"""Longest time that the server may take to start, generous for busy machines."""

FIRST_EDITS = 4
"""Edits of each user that are shown before a load begins: two strokes and two arrows."""

Seconds = dict[str, list[float]]


class AppServer:
    """``stylecinegan app`` in a separate process; a context manager that ends it.

    Args:
        arguments: Further settings of the command.
        log: File for its output.

    Raises:
        InputError: If the app does not start.
    """

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        command = [sys.executable, "-m", "stylecinegan", "app", "--no-browser", "--port", "0"]
        self._stream = log.open("w")
        self.process = subprocess.Popen(
            [*command, *arguments], stdout=self._stream, stderr=subprocess.STDOUT
        )
        end = time.monotonic() + START_TIMEOUT_S
        while "http://" not in log.read_text():
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise InputError(f"the app did not start: {log.read_text().strip()[-300:]}")
            time.sleep(0.05)
        self.port = int(log.read_text().split("http://127.0.0.1:")[1].split("/")[0])
        self.address = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> "AppServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait()
        self._stream.close()

    @property
    def cpu_s(self) -> float:
        """Processor time used so far, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_bytes(self) -> int:
        """Resident memory, in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def post(self, path: str, body: bytes) -> bytes:
        """Posts a request and returns the body of the response.

        Raises:
            RuntimeError: If the status is not a success.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        with contextlib.closing(connection):
            connection.request("POST", path, body, {"x-stylecinegan": "1"})
            answer = connection.getresponse()
            data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {data[:200]!r}")
        return data


@dataclass
class Load:
    """Result of a load test with many simultaneous users.

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
        """Counts an edit with its outcome (see :func:`outcome_of`)."""
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


def measure_latencies(visitor: Visitor, photo: Path, repeats: int) -> Seconds:
    """Measures on the page how long mask and loop take after an upload, a stroke or an arrow.

    Args:
        visitor: A page on which the example is playing.
        photo: Photo to upload.
        repeats: Number of measurements of each kind.

    Returns:
        Seconds of each measurement, by ``"mask"``, ``"loop"``, ``"stroke"`` and ``"arrow"``.
    """
    latencies: Seconds = {name: [] for name in ("mask", "loop", "stroke", "arrow")}
    for _ in range(repeats):
        session = visitor.evaluate("stylecinegan.app.session.id")
        start, before = time.perf_counter(), visitor.num_loops()
        visitor.upload(photo)
        visitor.wait(
            f"stylecinegan.app.session.id !== '{session}' && stylecinegan.app.mask !== null", 300
        )
        latencies["mask"].append(time.perf_counter() - start)
        visitor.wait_for_loop(before, 300)
        latencies["loop"].append(time.perf_counter() - start)
    # Arrows are drawn below the strokes, which paint static regions: they must touch a moving one.
    for tool, name, top in (("stays", "stroke", 0.05), ("arrow", "arrow", 0.25)):
        visitor.choose(tool)
        for number in range(repeats):
            left = 0.1 + 0.05 * number
            before = visitor.num_loops()
            visitor.drag([(left + 0.3, top + 0.01 * number), (left, top + 0.01 * number)])
            start = time.perf_counter()
            visitor.wait_for_loop(before, 300)
            latencies[name].append(time.perf_counter() - start)
    return latencies


def measure_idle(server: AppServer, seconds: float) -> float:
    """Fraction of a core that the server uses while pages only play."""
    start, used = time.perf_counter(), server.cpu_s
    time.sleep(seconds)
    return (server.cpu_s - used) / (time.perf_counter() - start)


def put_under_load(
    server: AppServer,
    photo: bytes,
    num_sessions: int,
    every_s: float,
    duration_s: float,
) -> Load:
    """Simulates many users who edit at the same time.

    Before, each makes :data:`FIRST_EDITS` one after another: on a busy machine, a user may
    otherwise see the first loop only after minutes, and memory would grow until then.

    Args:
        server: The app.
        photo: Image file that every user uploads.
        num_sessions: Number of users.
        every_s: Interval between the edits of one user, in seconds.
        duration_s: Duration of the test, in seconds.
    """
    load = Load()
    users = [_User(server, photo, load) for _ in range(num_sessions)]
    for number in range(FIRST_EDITS):
        for user in users:
            user.edit(number)
    load.forget_edits()
    begin = time.monotonic()
    numbers = range(FIRST_EDITS, FIRST_EDITS + max(1, int(duration_s / every_s)))
    threads = [
        threading.Thread(
            target=user.keep_editing, args=(numbers, every_s, every_s * index / num_sessions)
        )
        for index, user in enumerate(users)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        load.memory.append((time.monotonic() - begin, server.resident_bytes))
        time.sleep(0.5)
    # The last edit of each page is what it shows: nothing newer can have replaced it.
    load.num_lost = sum(user.last_outcome != "done" for user in users)
    return load


class _User:
    """A session whose edits are counted."""

    def __init__(self, server: AppServer, photo: bytes, load: Load) -> None:
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
        """Edits at regular times, whether the loops before are shown or not."""
        threads = [threading.Thread(target=self.edit, args=(number,)) for number in numbers]
        time.sleep(offset_s)
        for thread in threads:
            thread.start()
            time.sleep(every_s)
        for thread in threads:
            thread.join()


def edits_after(number: int) -> dict[str, Any]:
    """A user's edits: strokes and arrows in turn, of which the latest eight are kept."""
    edits: dict[str, Any] = {"strokes": [], "arrows": [], "speed": 1.0 + number % 3}
    for earlier in range(max(0, number - 7), number + 1):
        y = 0.05 + 0.3 * (earlier * 0.37 % 1.0)
        if earlier % 2:  # beside the arrows, which must touch what moves
            points = [[0.8, y], [0.95, y]]
            edits["strokes"].append({"kind": "stays", "points": points, "radius": 0.02})
        else:
            edits["arrows"].append([[0.7, y], [0.3, y + 0.02]])
    return edits


def outcome_of(stream: bytes) -> str:
    """Last status of a preview: ``"done"``, ``"cancelled"`` or the message of an error."""
    last = {"type": "the answer broke off"}
    for kind, content in split_messages(stream):
        if kind == STATUS:
            last = json.loads(content)
    return last.get("message", last["type"])


def split_messages(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Splits a preview into its complete messages: kinds and contents."""
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
