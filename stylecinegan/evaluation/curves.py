"""Plots of curves, drawn with OpenCV."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from stylecinegan.io import load_opencv

PANEL = (300, 420)
MARGIN = (64, 16, 44, 36)
"""Left, right, bottom and top of a panel, in pixels."""

COLOURS = (
    (31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (140, 86, 75),
    (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207),
)  # fmt: skip
COLUMNS = 3


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
    pixels = np.concatenate(rows, axis=0)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1.0


def _panel(title: str, curves: Mapping[str, Sequence[float]], x_name: str) -> np.ndarray:
    cv2 = load_opencv()
    height, width = PANEL
    left, right, bottom, top = MARGIN
    canvas = np.full((height, width, 3), 255, np.uint8)
    known = [value for values in curves.values() for value in values if np.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    low = min(low, 0.0) if low < 0.5 * high else low
    high = high if high > low else low + 1.0
    length = max(len(values) for values in curves.values())

    def to_pixel(x: float, y: float) -> tuple[int, int]:
        column = left + (x - 1) / max(length - 1, 1) * (width - left - right)
        row = height - bottom - (y - low) / (high - low) * (height - bottom - top)
        return round(column), round(row)

    def write(text: str, position: tuple[int, int], colour: Sequence[int] = (40, 40, 40)) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, position, font, 0.38, tuple(colour), 1, cv2.LINE_AA)

    cv2.rectangle(canvas, to_pixel(1, high), to_pixel(length, low), (170, 170, 170), 1)
    for value in (low, high):
        write(f"{value:.4g}", (6, to_pixel(1, value)[1] + 4))
    for number in (1, length):
        write(str(number), (to_pixel(number, low)[0] - 8, height - bottom + 16))
    write(x_name, (width // 2, height - bottom + 16))
    write(title, (left, 20))
    # The legend is at the side that the curves leave free on the left.
    is_falling = sum(values[-1] - values[0] for values in curves.values()) < 0
    legend = height - bottom - 15 * len(curves) + 4 if is_falling else top + 16
    for index, (name, values) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = [to_pixel(x, y) for x, y in enumerate(values, 1) if np.isfinite(y)]
        cv2.polylines(canvas, [np.array(points, np.int32)], False, colour, 2, cv2.LINE_AA)
        write(name, (left + 8, legend + 15 * index), colour)
    return canvas
