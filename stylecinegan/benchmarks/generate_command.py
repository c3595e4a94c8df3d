"""Time of ``stylecinegan generate`` over sizes and numbers of frames, and its growth with them."""

import logging
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from stylecinegan import io
from stylecinegan.benchmarks.growth import Growth, plot_growth
from stylecinegan.benchmarks.measurement import Candidate, Measurement, measure
from stylecinegan.benchmarks.memory import Command
from stylecinegan.inputs import resize_photo
from stylecinegan.ops import extension

logger = logging.getLogger(__name__)

Curves = dict[str, tuple[list[float], list[float]]]
"""Amounts and seconds, by the name of what grows."""


@dataclass(frozen=True, order=True)
class Job:
    """A loop to generate.

    Attributes:
        side: Height and width of the photo in pixels.
        num_frames: Length of the loop.
    """

    side: int
    num_frames: int


def measure_commands(
    photo: Path,
    baseline: Job,
    device: torch.device,
    *,
    sides: Iterable[int],
    lengths: Iterable[int],
    arguments: Sequence[str],
    repeats: int,
    budget_s: float,
) -> list[Measurement]:
    """Times the command for several sizes of the photo and several lengths of the loop.

    Args:
        photo: Image file, resized to squares.
        baseline: The loop that others are compared with; measured only if ``sides`` or ``lengths``
            include it.
        device: Device that the command is told to use in ``arguments``.
        sides: Sides of the photo, each with the baseline's number of frames.
        lengths: Numbers of frames, each with the baseline's side.
        arguments: Further settings of the command, with absolute paths.
        repeats: Largest number of timings of each.
        budget_s: Seconds for the timings of each.

    Raises:
        InputError: If a command fails, or there is only one to measure.
    """
    extension.is_available(device.type)  # compiled before any timing
    jobs = {Job(side, baseline.num_frames) for side in sides}
    jobs |= {Job(baseline.side, num_frames) for num_frames in lengths}
    ordered = sorted(jobs, key=lambda job: (job != baseline, job))
    picture = io.read_image(photo)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for side in {job.side for job in jobs}:
            io.write_image(folder / f"{side}.jpg", resize_photo(picture, (side, side)))
        candidates = [_candidate(job, baseline, arguments, folder) for job in ordered]
        return measure(candidates, device, repeats=repeats, budget_s=budget_s)


def _candidate(job: Job, baseline: Job, arguments: Sequence[str], folder: Path) -> Candidate:
    """The command of a job, run in a folder that has the photo of its size."""
    words = [
        *(f"photo={job.side}.jpg", f"video={job.side}-{job.num_frames}.mp4"),
        *(f"num_frames={job.num_frames}", *arguments),
    ]
    command = Command([sys.executable, "-m", "stylecinegan", "generate", *words], folder)
    return Candidate(
        job_name(job),
        command,
        peak_bytes=lambda: command.peak_bytes,
        is_baseline=job == baseline,
    )


def job_name(job: Job) -> str:
    """Name of a job in the table."""
    return f"{job.side}x{job.side}, {job.num_frames} frames"


def growth_curves(
    measured: Sequence[Measurement], baseline: Job, sides: Iterable[int], lengths: Iterable[int]
) -> Curves:
    """Median seconds over megapixels and over frames; a curve of one point is left out.

    Args:
        measured: Result of :func:`measure_commands`.
        baseline: See :func:`measure_commands`.
        sides: See :func:`measure_commands`.
        lengths: See :func:`measure_commands`.
    """
    seconds = {measurement.candidate.name: measurement.median for measurement in measured}
    points = {
        "megapixels": [(s**2 / 1e6, Job(s, baseline.num_frames)) for s in sorted(set(sides))],
        "frames": [(float(n), Job(baseline.side, n)) for n in sorted(set(lengths))],
    }
    return {
        name: ([x for x, _ in found], [seconds[job_name(job)] for _, job in found])
        for name, found in points.items()
        if len(found) > 1
    }


def write_growth(curves: Curves, path: Path) -> None:
    """Logs the fitted line of each curve, and plots the curves if there are any.

    Args:
        curves: Result of :func:`growth_curves`.
        path: Image file.
    """
    for name, (x, times) in curves.items():
        figures = {key: round(value, 4) for key, value in asdict(Growth.fit(x, times)).items()}
        logger.info("growth with %s: %s", name, figures)
    if curves:
        io.write_image(path, plot_growth(curves))
