"""Linear fits of a command's time to its numbers of pixels and frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

_PANEL = (360, 480)
_MARGIN = (60, 30, 70, 60)
"""Left, right, bottom and top of a panel, in pixels."""


@dataclass(frozen=True)
class Growth:
    """Least-squares line ``seconds = fixed + per_unit · x``.

    Attributes:
        fixed: Seconds at x = 0.
        per_unit: Seconds per unit of x.
        explained: Coefficient of determination R²; 1 for a line.
        steepening: Ratio of the slope between the last two points to that between the first two; 1
            for a line.
    """

    fixed: float
    per_unit: float
    explained: float
    steepening: float

    @classmethod
    def fit(cls, x: Sequence[float], seconds: Sequence[float]) -> "Growth":
        """Fits two or more points of different x."""
        order = np.argsort(np.asarray(x))
        amounts = np.asarray(x, np.float64)[order]
        times = np.asarray(seconds, np.float64)[order]
        per_unit, fixed = np.polyfit(amounts, times, 1)
        residual = times - (fixed + per_unit * amounts)
        variance = float(((times - times.mean()) ** 2).sum())
        explained = 1.0 - float((residual**2).sum()) / variance if variance else 1.0
        slopes = np.diff(times) / np.diff(amounts)
        steepening = float(slopes[-1] / slopes[0]) if slopes[0] else float("nan")
        return cls(float(fixed), float(per_unit), explained, steepening)


def plot_growth(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Tensor:
    """Plots seconds over one or more quantities, with the fitted line, in a panel each.

    Args:
        curves: x and seconds, by the name of x.

    Returns:
        ``[1, 3, H, W]`` in [-1, 1].
    """
    panels = np.concatenate(
        [_panel(name, x, seconds) for name, (x, seconds) in curves.items()], axis=1
    )
    return torch.from_numpy(panels).permute(2, 0, 1)[None].float() / 127.5 - 1.0


def _panel(name: str, x: Sequence[float], seconds: Sequence[float]) -> np.ndarray:
    height, width = _PANEL
    left, right, bottom, top = _MARGIN
    growth = Growth.fit(x, seconds)
    largest_x, largest_y = max(x) * 1.05, max(seconds) * 1.1
    canvas = np.full((height, width, 3), 255, np.uint8)

    def to_pixel(amount: float, time: float) -> tuple[int, int]:
        column = left + amount / largest_x * (width - left - right)
        row = height - bottom - time / largest_y * (height - bottom - top)
        return round(column), round(row)

    def write(text: str, position: tuple[int, int], size: float = 0.4) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, position, font, size, (40, 40, 40), 1, cv2.LINE_AA)

    cv2.line(canvas, to_pixel(0, 0), to_pixel(largest_x, 0), (150, 150, 150), 1)
    cv2.line(canvas, to_pixel(0, 0), to_pixel(0, largest_y), (150, 150, 150), 1)
    ends = [(amount, growth.fixed + growth.per_unit * amount) for amount in (0.0, max(x))]
    cv2.line(canvas, to_pixel(*ends[0]), to_pixel(*ends[1]), (220, 140, 60), 2, cv2.LINE_AA)
    for amount, time in zip(x, seconds, strict=True):
        column, row = to_pixel(amount, time)
        cv2.circle(canvas, (column, row), 4, (40, 80, 160), -1, cv2.LINE_AA)
        write(f"{time:.3g} s", (column - 40, row - 10))
        write(f"{amount:.3g}", (column - 12, height - bottom + 18))
    write(name, (width // 2 - 40, height - bottom + 45), 0.5)
    line = f"{growth.fixed:.3g} s + {growth.per_unit:.3g} s each, R2 {growth.explained:.4f}"
    write(f"{line}, steepening {growth.steepening:.2f}", (left, 24))
    return canvas
