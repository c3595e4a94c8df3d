"""Time and peak memory of several implementations, measured alternately."""

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
"""Shortest timing, in seconds; shorter runs are repeated within one timing."""

COPY = "copy"
"""Name of a candidate that copies memory: it measures the bandwidth, and has no speed ratio."""


@dataclass(frozen=True)
class Candidate:
    """One of several implementations that are compared.

    Attributes:
        name: Name in the table.
        run: Function to time.
        units: Number of units (frames, pictures) per run; times are per unit.
        bytes_moved: Smallest number of bytes that a run must read and write, if known.
        peak_bytes: For runs in a separate process: peak memory of the last one. They have no
            warm-up.
        is_baseline: Whether the table has a speed ratio to this candidate.
    """

    name: str
    run: Callable[[], object]
    units: int = 1
    bytes_moved: int | None = None
    peak_bytes: Callable[[], int | None] | None = None
    is_baseline: bool = False


@dataclass
class Measurement:
    """Measurements of a candidate.

    Attributes:
        candidate: The candidate.
        seconds: Time per unit, one entry per timing.
        peak_bytes: Peak memory of a run, or ``None`` if unknown.
    """

    candidate: Candidate
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
    candidates: Sequence[Candidate], device: torch.device, *, repeats: int, budget_s: float
) -> list[Measurement]:
    """Runs candidates alternately, so that a change in the machine's speed affects all of them.

    Args:
        candidates: At least two.
        device: Device that they run on; a GPU is synchronised before the clock is read.
        repeats: Number of rounds, with at most one timing of each candidate.
        budget_s: Seconds for the timings of one candidate. A slow one has fewer, at least one,
            spread evenly over the rounds.

    Raises:
        InputError: If there is only one candidate.
    """
    if len(candidates) < 2:
        raise InputError(f"a comparison takes at least two candidates, got {len(candidates)}")
    measured = [Measurement(candidate) for candidate in candidates]
    counts = [_warm_up(measurement, device) for measurement in measured]
    turns = [repeats] * len(measured)
    for round_number in range(repeats):
        for index, measurement in enumerate(measured):
            if not _has_turn(round_number, turns[index], repeats):
                continue
            candidate = measurement.candidate
            seconds = _time(candidate.run, counts[index], device)
            measurement.seconds.append(seconds / candidate.units)
            if round_number == 0:  # the first timing tells how many fit into the budget
                num_affordable = int(budget_s / max(seconds * counts[index], 1e-9))
                turns[index] = min(repeats, max(1, num_affordable))
            if candidate.peak_bytes is not None:
                peaks = (candidate.peak_bytes(), measurement.peak_bytes)
                measurement.peak_bytes = max((peak for peak in peaks if peak), default=None)
    return measured


def _has_turn(round_number: int, turns: int, repeats: int) -> bool:
    """Whether round r has one of n ``turns`` that are spread evenly over R ``repeats``.

    Before round r there have been ``ceil(r n / R)`` turns, so that round 0 has one.
    """

    def num_before(number: int) -> int:
        return -(-number * turns // repeats)  # rounded up, in exact integers

    return num_before(round_number) < num_before(round_number + 1)


def _warm_up(measurement: Measurement, device: torch.device) -> int:
    """Measures the peak memory in one or two runs, and returns the number of runs per timing."""
    candidate = measurement.candidate
    if candidate.peak_bytes is not None:
        return 1
    measurement.peak_bytes, seconds = _peak_and_time(candidate.run, device)
    if seconds < 1.0:  # the first run also loaded libraries and compiled
        measurement.peak_bytes, seconds = _peak_and_time(candidate.run, device)
    return max(1, min(1000, math.ceil(SHORTEST_TIMING / max(seconds, 1e-9))))


def _peak_and_time(run: Callable[[], object], device: torch.device) -> tuple[int | None, float]:
    start = time.perf_counter()
    peak = peak_of(run, device)
    return peak, time.perf_counter() - start


def _time(run: Callable[[], object], count: int, device: torch.device) -> float:
    """Mean seconds of ``count`` runs in a row."""
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
    """Rows of a table of measurements.

    Args:
        measured: Measurements. One named :data:`COPY` is what bandwidths are compared with.
        unit: Name of the unit of the times, e.g. ``"frame"``.
    """
    baselines = [m for m in measured if m.candidate.is_baseline]
    copies = [m for m in measured if m.candidate.name == COPY]
    rows = []
    for measurement in measured:
        lower, upper = measurement.quartiles
        row: dict[str, str | float] = {
            "row": measurement.candidate.name,
            f"ms / {unit}": measurement.median * 1e3,
            "lower quartile": lower * 1e3,
            "upper quartile": upper * 1e3,
            "timings": len(measurement.seconds),
        }
        if measurement.peak_bytes is not None:
            row["peak MB"] = measurement.peak_bytes / 1e6
        for baseline in baselines if measurement not in copies else []:
            ratio = baseline.median / measurement.median
            row[f"times as fast as {baseline.candidate.name}"] = ratio
        if measurement.candidate.bytes_moved is not None:
            row["GB/s"] = _bandwidth(measurement) / 1e9
            if copies:
                row["share of copy"] = _bandwidth(measurement) / _bandwidth(copies[0])
        rows.append(row)
    return rows


def timings(measured: Sequence[Measurement]) -> list[Row]:
    """All timings as rows of ``details.jsonl``, for statistics other than those of the table."""
    return [
        {"row": measurement.candidate.name, "seconds": seconds}
        for measurement in measured
        for seconds in measurement.seconds
    ]


def _bandwidth(measurement: Measurement) -> float:
    """Smallest number of bytes that a run must move, per second of its median time."""
    assert measurement.candidate.bytes_moved is not None
    return measurement.candidate.bytes_moved / (measurement.median * measurement.candidate.units)
