"""The browser app in a separate process, with its processor time and memory."""

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from stylecinegan.errors import InputError

START_TIMEOUT_S = 180.0
"""Longest time that the server may take to start, generous for busy machines."""


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

        Args:
            path: Path of the address, e.g. ``"/api/sessions"``.
            body: Body of the request.

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
