"""Time of a folder of photos, shared by several processes of ``stylecinegan generate``."""

import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from stylecinegan import io
from stylecinegan.benchmarks.measurement import Candidate, Measurement, measure
from stylecinegan.benchmarks.memory import Command
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.ops import extension

logger = logging.getLogger(__name__)


def measure_processes(
    counts: Sequence[int],
    device: torch.device,
    *,
    num_photos: int,
    side: int,
    arguments: Sequence[str],
    repeats: int,
    budget_s: float,
) -> list[Measurement]:
    """Times a folder of drawn photos, animated by different numbers of processes.

    Args:
        counts: Numbers of processes; the first is the baseline.
        device: Device that the command is told to use in ``arguments``.
        num_photos: Number of photos in the folder.
        side: Height and width of the photos in pixels.
        arguments: Further settings of ``stylecinegan generate``, with absolute paths.
        repeats: Largest number of timings of each.
        budget_s: Seconds for the timings of each.

    Returns:
        Measurements per photo, in the order of ``counts``.

    Raises:
        InputError: If a command fails, or there is only one to measure.
    """
    extension.is_available(device.type)  # compiled before any timing
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(num_photos):
            image = draw_landscape(side, side, seed=number).image
            io.write_image(folder / f"photos/{number:04d}.jpg", image)
        candidates = [
            Candidate(
                f"{count} process" + ("es" if count > 1 else ""),
                _command(count, arguments, folder),
                units=num_photos,
                # The peak memory of the launcher is not that of its processes.
                peak_bytes=lambda: None,
                is_baseline=count == counts[0],
            )
            for count in counts
        ]
        measured = measure(candidates, device, repeats=repeats, budget_s=budget_s)
    for measurement in measured:
        per_minute = 60 / measurement.median
        logger.info("%s: %.1f photos a minute", measurement.candidate.name, per_minute)
    return measured


def _command(count: int, arguments: Sequence[str], folder: Path) -> Command:
    """``stylecinegan generate`` of the folder by processes of torchrun."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "-m"]
    words = ["photo=photos", f"video=videos{count}", *arguments]
    return Command([sys.executable, "-m", *launcher, "stylecinegan", "generate", *words], folder)
