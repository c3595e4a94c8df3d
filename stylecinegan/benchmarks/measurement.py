"""Times contestants that take turns in one process, and their peak memory."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from stylecinegan.benchmarks.memory import peak_of
from stylecinegan.errors import InputError
from stylecinegan.evaluation.report import Row

SHORTEST_TIMING = 0.05
"""A run that takes less is repeated within one timing, which else would measure the clock."""


@dataclass(frozen=True)
class Contestant:
    """One way of doing a job.

    Attributes:
        name: Its row in the table.
        run: Does the job.
        units: How many units (frames, pictures) one run makes; times are given for one.
        bytes_moved: Bytes that one run has to read and write at least, where that is told.
        peak_bytes: Gives the peak memory of the last run where the run is another process, which
            also is not warmed up.
        is_baseline: Whether the others are compared with it.
    """

    name: str
    run: Callable[[], object]
    units: int = 1
    bytes_moved: int | None = None
    peak_bytes: Callable[[], int | None] | None = None
    is_baseline: bool = False


@dataclass
class Measurement:
    """What was measured of a contestant.

    Attributes:
        contestant: The contestant.
        seconds: Time of one unit, one entry a timing.
        peak_bytes: Peak memory of a run, or ``None`` where it cannot be told.
    """

    contestant: Contestant
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None

    @property
    def median(self) -> float:
        """Median time of one unit in seconds."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile of the time of one unit in seconds."""
        if len(self.seconds) < 2:
            return self.median, self.median
        lower, _, upper = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return lower, upper


def measure(
    contestants: Sequence[Contestant], device: torch.device, *, repeats: int, budget_s: float
) -> list[Measurement]:
    """Lets contestants take turns, so that a machine that slows down slows all of them.

    Args:
        contestants: At least two.
        device: Where they compute; a GPU is waited for before the clock is read.
        repeats: Timings of each contestant …
        budget_s: … but no more than fit into this many seconds for each, and at least one. The
            fewer timings of a slow contestant are spread over the rounds.

    Raises:
        InputError: If there is only one contestant.
    """
    if len(contestants) < 2:
        raise InputError(f"a comparison takes at least two contestants, got {len(contestants)}")
    measured = [Measurement(contestant) for contestant in contestants]
    counts = [_warm_up(measurement, device) for measurement in measured]
    turns = [repeats] * len(measured)
    for round_number in range(repeats):
        for index, measurement in enumerate(measured):
            if not _has_turn(round_number, turns[index], repeats):
                continue
            run, units = measurement.contestant.run, measurement.contestant.units
            seconds = _time(run, counts[index], device)
            measurement.seconds.append(seconds / units)
            if round_number == 0:  # every contestant's first turn tells how many it can have
                fit = int(budget_s / max(seconds * counts[index], 1e-9))
                turns[index] = min(repeats, max(1, fit))
            if measurement.contestant.peak_bytes is not None:
                peaks = (measurement.contestant.peak_bytes(), measurement.peak_bytes)
                measurement.peak_bytes = max((peak for peak in peaks if peak), default=None)
    return measured


def _has_turn(round_number: int, turns: int, repeats: int) -> bool:
    """Whether one of so many turns, spread evenly, falls into a round; the first always does."""
    return round_number == 0 or (
        -(-round_number * turns // repeats) < -(-(round_number + 1) * turns // repeats)
    )


def _warm_up(measurement: Measurement, device: torch.device) -> int:
    """Runs a contestant once or twice for its peak memory; returns its runs in one timing."""
    contestant = measurement.contestant
    if contestant.peak_bytes is not None:
        return 1
    measurement.peak_bytes, seconds = _peak_and_time(contestant.run, device)
    if seconds < 1.0:  # the first run also loaded libraries and compiled
        measurement.peak_bytes, seconds = _peak_and_time(contestant.run, device)
    return max(1, min(1000, math.ceil(SHORTEST_TIMING / max(seconds, 1e-9))))


def _peak_and_time(run: Callable[[], object], device: torch.device) -> tuple[int | None, float]:
    start = time.perf_counter()
    peak = peak_of(run, device)
    return peak, time.perf_counter() - start


def _time(run: Callable[[], object], count: int, device: torch.device) -> float:
    """Seconds of one of ``count`` runs in a row."""
    _wait_for(device)
    start = time.perf_counter()
    for _ in range(count):
        run()
    _wait_for(device)
    return (time.perf_counter() - start) / count


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def to_rows(measured: Sequence[Measurement], unit: str) -> list[Row]:
    """Lays measurements out as rows of a table.

    Args:
        measured: Contestants. One named ``"copy"`` tells the memory's bandwidth and is compared
            with nothing.
        unit: What the times are of, e.g. ``"frame"``.
    """
    baselines = [m for m in measured if m.contestant.is_baseline]
    copies = [m for m in measured if m.contestant.name == "copy"]
    rows = []
    for measurement in measured:
        lower, upper = measurement.quartiles
        row: dict[str, str | float] = {
            "row": measurement.contestant.name,
            f"ms / {unit}": measurement.median * 1e3,
            "lower quartile": lower * 1e3,
            "upper quartile": upper * 1e3,
            "timings": len(measurement.seconds),
        }
        if measurement.peak_bytes is not None:
            row["peak MB"] = measurement.peak_bytes / 1e6
        for baseline in baselines if measurement not in copies else []:
            ratio = baseline.median / measurement.median
            row[f"times as fast as {baseline.contestant.name}"] = ratio
        if measurement.contestant.bytes_moved is not None:
            row["GB/s"] = _bandwidth(measurement) / 1e9
            if copies:
                row["share of copy"] = _bandwidth(measurement) / _bandwidth(copies[0])
        rows.append(row)
    return rows


def _bandwidth(measurement: Measurement) -> float:
    """Bytes a second."""
    assert measurement.contestant.bytes_moved is not None
    return measurement.contestant.bytes_moved / (measurement.median * measurement.contestant.units)
