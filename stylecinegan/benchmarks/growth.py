"""Linear fits of a command's time to its numbers of pixels and frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from stylecinegan.evaluation.panel import Panel
from stylecinegan.io import from_uint8, load_opencv

_PANEL = (360, 480)
"""(height, width) of a panel, in pixels."""

_MARGIN = (60, 30, 70, 60)
"""Left, right, bottom and top of a panel, in pixels."""


@dataclass(frozen=True)
class Growth:
    """Least-squares line ``seconds = fixed + per_unit · x``.

    Attributes:
        fixed: Seconds at x = 0.
        per_unit: Seconds per unit of x.
        r_squared: Coefficient of determination R², ``1 - Σ residual² / Σ (seconds - mean)²``; 1
            for a line.
        steepening: Ratio of the slope between the last two points to that between the first two; 1
            for a line.
    """

    fixed: float
    per_unit: float
    r_squared: float
    steepening: float

    @classmethod
    def fit(cls, x: Sequence[float], seconds: Sequence[float]) -> "Growth":
        """Fits a line to points.

        Args:
            x: Two or more different amounts, in any order.
            seconds: Time at each of them.
        """
        order = np.argsort(np.asarray(x))
        amounts = np.asarray(x, np.float64)[order]
        times = np.asarray(seconds, np.float64)[order]
        per_unit, fixed = np.polyfit(amounts, times, 1)
        residual = times - (fixed + per_unit * amounts)
        variance = float(((times - times.mean()) ** 2).sum())
        r_squared = 1.0 - float((residual**2).sum()) / variance if variance else 1.0
        slopes = np.diff(times) / np.diff(amounts)
        steepening = float(slopes[-1] / slopes[0]) if slopes[0] else float("nan")
        return cls(float(fixed), float(per_unit), r_squared, steepening)


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
    return from_uint8(panels)


def _panel(name: str, x: Sequence[float], seconds: Sequence[float]) -> np.ndarray:
    """Points and fitted line in a panel, RGB, uint8, ``[H, W, 3]``."""
    height, width = _PANEL
    left, _, bottom, _ = _MARGIN
    cv2 = load_opencv()
    growth = Growth.fit(x, seconds)
    largest_x, largest_y = max(x) * 1.05, max(seconds) * 1.1
    panel = Panel(_PANEL, _MARGIN, (0.0, largest_x), (0.0, largest_y))
    origin = panel.to_pixel(0.0, 0.0)
    for end in ((largest_x, 0.0), (0.0, largest_y)):
        cv2.line(panel.canvas, origin, panel.to_pixel(*end), (150, 150, 150), 1)
    fitted = [(amount, growth.fixed + growth.per_unit * amount) for amount in (0.0, max(x))]
    panel.line(fitted, (220, 140, 60), 2)
    for amount, time in zip(x, seconds, strict=True):
        column, row = panel.to_pixel(amount, time)
        cv2.circle(panel.canvas, (column, row), 4, (40, 80, 160), -1, cv2.LINE_AA)
        panel.write(f"{time:.3g} s", (column - 40, row - 10), 0.4)
        panel.write(f"{amount:.3g}", (column - 12, height - bottom + 18), 0.4)
    panel.write(name, (width // 2 - 40, height - bottom + 45), 0.5)
    line = f"{growth.fixed:.3g} s + {growth.per_unit:.3g} s each, R2 {growth.r_squared:.4f}"
    panel.write(f"{line}, steepening {growth.steepening:.2f}", (left, 24), 0.4)
    return panel.canvas
