"""List of failed photos as JSON lines, shared by processes."""

import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from stylecinegan.io.paths import reporting_write_errors

NAME = "failures.jsonl"


class Failures:
    """List of failed photos in a file beside the videos, which is deleted when it is empty.

    Args:
        folder: Folder of the videos.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def add(self, source: str, video: Path, error: Exception) -> None:
        """Appends a failure.

        Args:
            source: Photo or seed.
            video: The video that could not be made.
            error: The reason.
        """
        entry = {
            "source": source,
            "video": str(video),
            "error": str(error),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with reporting_write_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked() as file:
                file.seek(0, os.SEEK_END)
                file.write(line.encode())

    def forget(self, sources: Collection[str]) -> None:
        """Removes the entries of photos that are about to be processed again."""
        if not self.path.exists():
            return
        with reporting_write_errors(self.path), self._locked() as file:
            lines = file.read().splitlines(keepends=True)
            kept = [line for line in lines if _source(line) not in sources]
            file.seek(0)
            file.write(b"".join(kept))
            file.truncate()
            if not kept:
                self.path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """Opens the file for this process alone."""
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            with os.fdopen(descriptor, "r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
                # Another process may have emptied and deleted the file before the lock.
                with suppress(FileNotFoundError):
                    if os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                        yield file
                        return


def _source(line: bytes) -> str | None:
    """Photo of an entry; ``None`` if the line is damaged."""
    try:
        return json.loads(line)["source"]
    except (ValueError, KeyError, TypeError):
        return None
