"""Cached measurements, so that a second run resumes, computed by worker processes."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing
from tqdm import tqdm

from stylecinegan.io.paths import replacing

Entries = list[dict[str, Any]]
Measure = Callable[[str], Entries]


class MeasurementCache:
    """Cache on disk, with one file per measurement.

    Args:
        folder: Folder; created with the first measurement.
        settings: Everything that the numbers depend on, as text. Entries with other settings are
            ignored.
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, str]) -> None:
        self.folder = Path(folder)
        self.settings = dict(settings)

    def get(self, name: str) -> Entries | None:
        """Reads the entries of a name; ``None`` if they are missing or have other settings."""
        return self._read(name)[0]

    def seconds(self, names: Sequence[str]) -> float:
        """Total duration of the measurements in seconds, including those of earlier runs."""
        return sum(self._read(name)[1] for name in names)

    def _read(self, name: str) -> tuple[Entries | None, float]:
        try:
            stored = json.loads(self._file(name).read_text(encoding="utf-8"))
            if stored["settings"] == self.settings:
                return stored["entries"], float(stored.get("seconds", 0.0))
        except (OSError, ValueError, LookupError, TypeError):
            pass
        return None, 0.0

    def put(self, name: str, entries: Entries, seconds: float = 0.0) -> None:
        """Writes the entries of a name atomically.

        Args:
            name: Name of the measurement.
            entries: Its entries.
            seconds: Its duration.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"settings": self.settings, "seconds": seconds, "entries": entries}
        with replacing(self._file(name), (".json",)) as temporary:
            text = json.dumps(content, indent=1)
            temporary.write_text(text + "\n", encoding="utf-8")

    def _file(self, name: str) -> Path:
        return self.folder / f"{name.replace('/', '_')}.json"


def measure_all(
    names: Sequence[str], measure: Measure, cache: MeasurementCache, *, num_processes: int = 1
) -> Iterator[Entries]:
    """Measures the names that are not cached.

    Args:
        names: Names to measure, in the order of the results.
        measure: Computes the entries of a name; with several processes it is pickled.
        cache: Cache of the entries.
        num_processes: Number of worker processes, each with as many threads as this one.

    Yields:
        The entries of each name.
    """
    missing = [name for name in names if cache.get(name) is None]
    with tqdm(total=len(names), initial=len(names) - len(missing), unit="item") as progress:
        for name, entries, seconds in _measure(missing, measure, num_processes):
            cache.put(name, entries, seconds)
            progress.update()
    for name in names:
        entries = cache.get(name)
        assert entries is not None
        yield entries


def _measure(
    names: Sequence[str], measure: Measure, num_processes: int
) -> Iterator[tuple[str, Entries, float]]:
    """Name, entries and duration of each measurement, in the order in which they end."""
    if num_processes <= 1 or len(names) <= 1:
        for name in names:
            yield _time(measure, name)
        return
    # Forked children of a process with OpenMP threads may hang.
    context = multiprocessing.get_context("spawn")
    arguments = (measure, torch.get_num_threads())
    with context.Pool(min(num_processes, len(names)), _initialize_worker, arguments) as pool:
        yield from pool.imap_unordered(_run_in_worker, names)
        # Workers end by themselves: leaving the block would kill them, whatever they are writing.
        pool.close()
        pool.join()


_worker_measure: Measure | None = None
"""The measurement of this worker process, pickled once rather than with every name."""


def _initialize_worker(measure: Measure, num_threads: int) -> None:
    global _worker_measure
    torch.set_num_threads(num_threads)
    _worker_measure = measure


def _run_in_worker(name: str) -> tuple[str, Entries, float]:
    assert _worker_measure is not None
    return _time(_worker_measure, name)


def _time(measure: Measure, name: str) -> tuple[str, Entries, float]:
    start = time.perf_counter()
    entries = measure(name)
    return name, entries, time.perf_counter() - start
