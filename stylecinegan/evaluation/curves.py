"""Plots of curves, drawn with OpenCV."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from stylecinegan.evaluation.panel import Panel
from stylecinegan.io import from_uint8, load_opencv

PANEL = (300, 420)
"""(height, width) of a panel, in pixels."""

MARGIN = (64, 16, 44, 36)
"""Left, right, bottom and top of a panel, in pixels."""

COLOURS = (
    (31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (140, 86, 75),
    (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207),
)  # fmt: skip
COLUMNS = 3
TEXT_SIZE = 0.38


def plot_curves(panels: Mapping[str, Mapping[str, Sequence[float]]], x_name: str) -> Tensor:
    """Plots a panel for each metric, with a curve for each method.

    Args:
        panels: Values at x = 1, 2, …, by the panel's title and the curve's name.
        x_name: Label of the x axis.

    Returns:
        ``[1, 3, H, W]`` in [-1, 1].
    """
    drawn = [_panel(title, curves, x_name) for title, curves in panels.items()]
    blank = np.full((*PANEL, 3), 255, np.uint8)
    drawn += [blank] * (-len(drawn) % COLUMNS)
    rows = [
        np.concatenate(drawn[start : start + COLUMNS], axis=1)
        for start in range(0, len(drawn), COLUMNS)
    ]
    return from_uint8(np.concatenate(rows, axis=0))


def _panel(title: str, curves: Mapping[str, Sequence[float]], x_name: str) -> np.ndarray:
    """Curves with axes and legend in a panel, RGB, uint8, ``[H, W, 3]``."""
    cv2 = load_opencv()
    height, width = PANEL
    left, _, bottom, top = MARGIN
    known = [value for values in curves.values() for value in values if np.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    low = min(low, 0.0) if low < 0.5 * high else low
    high = high if high > low else low + 1.0
    length = max(len(values) for values in curves.values())

    panel = Panel(PANEL, MARGIN, (1, max(length, 2)), (low, high))
    corners = panel.to_pixel(1, high), panel.to_pixel(length, low)
    cv2.rectangle(panel.canvas, *corners, (170, 170, 170), 1)
    for value in (low, high):
        panel.write(f"{value:.4g}", (6, panel.to_pixel(1, value)[1] + 4), TEXT_SIZE)
    for number in (1, length):
        column = panel.to_pixel(number, low)[0] - 8
        panel.write(str(number), (column, height - bottom + 16), TEXT_SIZE)
    panel.write(x_name, (width // 2, height - bottom + 16), TEXT_SIZE)
    panel.write(title, (left, 20), TEXT_SIZE)
    # On the left, falling curves leave the lower corner free for the legend, others the upper one.
    is_falling = sum(values[-1] - values[0] for values in curves.values()) < 0
    legend = height - bottom - 15 * len(curves) + 4 if is_falling else top + 16
    for index, (name, values) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        panel.line([(x, y) for x, y in enumerate(values, 1) if np.isfinite(y)], colour, 2)
        panel.write(name, (left + 8, legend + 15 * index), TEXT_SIZE, colour)
    return panel.canvas
