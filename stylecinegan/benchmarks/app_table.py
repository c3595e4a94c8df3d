"""Table of the browser app: latencies in Chromium, and load by many simulated users."""

import logging
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from stylecinegan import io
from stylecinegan.benchmarks.app_latency import Latencies, measure_idle, measure_latencies
from stylecinegan.benchmarks.app_load import (
    FIRST_EDITS,
    LoadResult,
    LoadTest,
    memory_growth,
    run_load_test,
)
from stylecinegan.benchmarks.app_server import AppServer
from stylecinegan.benchmarks.chromium import find_chromium
from stylecinegan.benchmarks.visitor import Visitor
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.evaluation.report import Row

logger = logging.getLogger(__name__)


def measure_app(
    arguments: Sequence[str],
    photo_size: tuple[int, int],
    test: LoadTest,
    *,
    repeats: int,
    idle_s: float,
) -> list[Row]:
    """Measures latencies of the app in Chromium, and its load under many users.

    Args:
        arguments: Settings of ``stylecinegan app``.
        photo_size: Height and width of the photo whose latencies are measured.
        test: Settings of the load test.
        repeats: Number of measurements of each latency.
        idle_s: Duration of the idle measurement, in seconds.

    Returns:
        Rows of the table, with the wanted value where there is one.

    Raises:
        InputError: If no Chromium is installed, or the app does not start.
    """
    if find_chromium() is None:
        raise InputError("suite=app needs a browser: install Chromium")
    height, width = photo_size
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        io.write_image(folder / "photo.jpg", draw_landscape(height, width).image)
        io.write_image(folder / "small.jpg", draw_landscape(480, 640, 1).image)
        with AppServer(arguments, folder / "log") as server:
            with Visitor(folder, server.address) as visitor:
                visitor.visit()
                latencies = measure_latencies(visitor, folder / "photo.jpg", repeats)
                idle = measure_idle(server, idle_s)
            small = (folder / "small.jpg").read_bytes()
            load = run_load_test(server, small, test)
    for error in dict.fromkeys(load.errors):
        logger.warning("under load: %s", error)
    return latency_rows(latencies, height * width) + load_rows(load, idle, test)


def latency_rows(latencies: Latencies, num_pixels: int) -> list[Row]:
    """Rows of the median latencies, with the wanted ones.

    Args:
        latencies: Result of :func:`~stylecinegan.benchmarks.app_latency.measure_latencies`.
        num_pixels: Number of pixels of the photo.
    """
    names = {
        "mask": (f"upload of {num_pixels / 1e6:.0f} megapixels to the mask", 2.5),
        "loop": ("upload to the first loop", 3.5),
        "stroke": ("end of a stroke to the new loop", 1.0),
        "arrow": ("end of an arrow to the new loop", 1.0),
    }
    return [
        {"row": f"{name}, s", "measured": median(latencies[key]), "wanted": wanted}
        for key, (name, wanted) in names.items()
    ]


def load_rows(load: LoadResult, idle: float, test: LoadTest) -> list[Row]:
    """Rows of the idle server and of the load test, with the wanted values where there are some.

    Args:
        load: Result of the load test.
        idle: Fraction of a core that the idle server uses.
        test: Settings of the load test.
    """
    growth = memory_growth(load.memory, min(60.0, 0.2 * test.duration_s))
    users = f"{test.num_sessions} sessions"
    return [
        {"row": "processor while pages play, % of a core", "measured": 100 * idle, "wanted": 0.0},
        {"row": f"{users}: errors", "measured": float(len(load.errors)), "wanted": 0.0},
        {"row": f"{users}: edits", "measured": float(load.num_edits)},
        {"row": f"{users}: replaced by a newer one", "measured": float(load.num_replaced)},
        {"row": f"{users}: lost edits", "measured": float(load.num_lost), "wanted": 0.0},
        {"row": f"{users}: edit to loop, s", "measured": median(load.seconds or [math.nan])},
        {"row": f"{users}: edits of each before the load", "measured": float(FIRST_EDITS)},
        {"row": f"{users}: growth of memory, %", "measured": 100 * (growth - 1), "wanted": 10.0},
        {"row": f"{users}: memory, GB", "measured": load.memory[-1][1] / 1e9},
    ]
