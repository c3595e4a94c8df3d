"""Latency of the browser app on its page, and the processor time of its idle server."""

import time
from collections.abc import Sequence
from pathlib import Path

from stylecinegan.benchmarks.app_server import AppServer
from stylecinegan.benchmarks.visitor import Visitor

Latencies = dict[str, list[float]]
"""Seconds of each measurement, by ``"mask"``, ``"loop"``, ``"stroke"`` and ``"arrow"``."""

TIMEOUT_S = 300.0
"""Longest time to wait for a mask or a loop."""


def measure_latencies(visitor: Visitor, photo: Path, repeats: int) -> Latencies:
    """Measures on the page how long mask and loop take after an upload, a stroke or an arrow.

    Args:
        visitor: A page on which the example is playing.
        photo: Photo to upload.
        repeats: Number of measurements of each kind.
    """
    latencies: Latencies = {name: [] for name in ("mask", "loop", "stroke", "arrow")}
    for _ in range(repeats):
        mask_s, loop_s = _measure_upload(visitor, photo)
        latencies["mask"].append(mask_s)
        latencies["loop"].append(loop_s)
    # Arrows are drawn below the strokes, which paint static regions: they must touch a moving one.
    for tool, name, top in (("stays", "stroke", 0.05), ("arrow", "arrow", 0.25)):
        visitor.choose(tool)
        for number in range(repeats):
            left, y = 0.1 + 0.05 * number, top + 0.01 * number
            latencies[name].append(_measure_edit(visitor, [(left + 0.3, y), (left, y)]))
    return latencies


def _measure_upload(visitor: Visitor, photo: Path) -> tuple[float, float]:
    """Seconds from the upload of a photo to its mask, and to its first loop."""
    session = visitor.evaluate("stylecinegan.app.session.id")
    start, before = time.perf_counter(), visitor.num_loops()
    visitor.upload(photo)
    visitor.wait(
        f"stylecinegan.app.session.id !== '{session}' && stylecinegan.app.mask !== null", TIMEOUT_S
    )
    mask_s = time.perf_counter() - start
    visitor.wait_for_loop(before, TIMEOUT_S)
    return mask_s, time.perf_counter() - start


def _measure_edit(visitor: Visitor, points: Sequence[tuple[float, float]]) -> float:
    """Seconds from the end of a drag with the chosen tool to the new loop."""
    before = visitor.num_loops()
    visitor.drag(points)
    start = time.perf_counter()
    visitor.wait_for_loop(before, TIMEOUT_S)
    return time.perf_counter() - start


def measure_idle(server: AppServer, seconds: float) -> float:
    """Fraction of a core that the server uses while pages only play.

    Args:
        server: The app.
        seconds: Duration of the measurement.
    """
    start, used = time.perf_counter(), server.cpu_s
    time.sleep(seconds)
    return (server.cpu_s - used) / (time.perf_counter() - start)
