"""Canvas for silhouettes, antialiased by supersampling."""

import numpy as np

from stylecinegan.io import load_opencv

SUPERSAMPLING = 4
"""Samples along each side of a pixel; alpha is the fraction of them that the object covers."""


class Canvas:
    """Supersampled coverage map that silhouettes are drawn into.

    Args:
        height: Height in pixels.
        width: Width in pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width)
        self._samples = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)

    def line(self, start: tuple[float, float], end: tuple[float, float], width: float) -> None:
        """Draws a straight bar between two points (x, y), ``width`` pixels wide."""
        (x0, y0), (x1, y1) = start, end
        length = max(np.hypot(x1 - x0, y1 - y0), 1e-6)
        x, y = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
        self.polygon([(x0 + x, y0 + y), (x1 + x, y1 + y), (x1 - x, y1 - y), (x0 - x, y0 - y)])

    def polygon(self, points: list[tuple[float, float]]) -> None:
        """Fills a polygon of points (x, y) in pixels."""
        shift = 8  # bits below a sample
        # Samples are at the centres of their sub-pixels.
        scaled = (np.array(points) * SUPERSAMPLING - 0.5) * 2**shift
        load_opencv().fillPoly(self._samples, [np.round(scaled).astype(np.int32)], 1, shift=shift)

    def ellipse(self, centre: tuple[float, float], axes: tuple[float, float], turn: float) -> None:
        """Fills an ellipse with semi-axes in pixels, rotated by ``turn`` radians."""
        angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
        x, y = axes[0] * np.cos(angle), axes[1] * np.sin(angle)
        cos, sin = np.cos(turn), np.sin(turn)
        points = zip(centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y, strict=True)
        self.polygon([(float(a), float(b)) for a, b in points])

    def alpha(self) -> np.ndarray:
        """Coverage of every pixel, float32 ``[H, W]`` in [0, 1]."""
        height, width = self.size
        blocks = self._samples.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING)
        return blocks.mean(axis=(1, 3), dtype=np.float32)
