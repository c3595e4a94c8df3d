"""A panel of a plot, drawn with OpenCV."""

from collections.abc import Sequence

import numpy as np

from stylecinegan.io import load_opencv

GREY = (40, 40, 40)


class Panel:
    """White canvas with a coordinate system inside margins.

    Args:
        size: (height, width) in pixels.
        margin: Left, right, bottom and top margin in pixels.
        x_range: Values of x at the left and at the right.
        y_range: Values of y at the bottom and at the top.

    Attributes:
        canvas: RGB, uint8, ``[H, W, 3]``.
    """

    def __init__(
        self,
        size: tuple[int, int],
        margin: tuple[int, int, int, int],
        x_range: tuple[float, float],
        y_range: tuple[float, float],
    ) -> None:
        self.canvas = np.full((*size, 3), 255, np.uint8)
        self._margin = margin
        self._x_range = x_range
        self._y_range = y_range

    def to_pixel(self, x: float, y: float) -> tuple[int, int]:
        """Column and row of the pixel at a point of the coordinate system."""
        height, width = self.canvas.shape[:2]
        left, right, bottom, top = self._margin
        (first, last), (low, high) = self._x_range, self._y_range
        column = left + (x - first) / (last - first) * (width - left - right)
        row = height - bottom - (y - low) / (high - low) * (height - bottom - top)
        return round(column), round(row)

    def line(
        self, points: Sequence[tuple[float, float]], colour: Sequence[int], thickness: int
    ) -> None:
        """Draws a polyline.

        Args:
            points: (x, y) in the coordinate system.
            colour: RGB in [0, 255].
            thickness: In pixels.
        """
        cv2 = load_opencv()
        pixels = np.array([self.to_pixel(x, y) for x, y in points], np.int32)
        cv2.polylines(self.canvas, [pixels], False, tuple(colour), thickness, cv2.LINE_AA)

    def write(
        self, text: str, pixel: tuple[int, int], size: float, colour: Sequence[int] = GREY
    ) -> None:
        """Writes a text.

        Args:
            text: The text.
            pixel: Column and row of its lower left corner.
            size: Factor of the size of OpenCV's font.
            colour: RGB in [0, 255].
        """
        cv2 = load_opencv()
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(self.canvas, text, pixel, font, size, tuple(colour), 1, cv2.LINE_AA)
