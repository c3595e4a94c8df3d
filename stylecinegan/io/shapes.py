"""Rasterisation of shapes."""

import math
from collections.abc import Callable

import numpy as np

Cover = Callable[[np.ndarray, tuple[int, int]], np.ndarray]
"""Takes points ``[P, 2]`` and a picture's (height, width) to the pixels, boolean ``[H, W]``."""


def cover_polygon(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Finds the pixels whose centres lie in a polygon, by the even-odd rule.

    Args:
        points: Corners (x, y), ``[P, 2]``, in pixels; the last is joined to the first.
        size: (height, width) of the picture.

    Returns:
        Boolean, ``[H, W]``.
    """
    height, width = size
    # Number of crossings of the outline between the left border and a pixel's centre.
    crossings = np.zeros((height, width + 1), np.int32)
    for (x, y), (next_x, next_y) in zip(points, np.roll(points, -1, axis=0), strict=True):
        top, bottom = sorted((y, next_y))
        rows = np.arange(max(0, math.ceil(top - 0.5)), min(height, math.ceil(bottom - 0.5)))
        if len(rows):
            at = x + (rows + 0.5 - y) * ((next_x - x) / (next_y - y))
            crossings[rows, np.clip(np.ceil(at - 0.5), 0, width).astype(int)] += 1
    return crossings.cumsum(axis=1)[:, :width] % 2 == 1


def _cover_rectangle(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    (left, top), (right, bottom) = points
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return cover_polygon(corners, size)


def _cover_circle(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    (x, y), (edge_x, edge_y) = points
    rows, columns = np.ogrid[: size[0], : size[1]]
    return np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= math.hypot(edge_x - x, edge_y - y)


COVERS: dict[str, Cover] = {
    "polygon": cover_polygon,
    "rectangle": _cover_rectangle,
    "circle": _cover_circle,
}
"""Shapes that cover an area, by the name that LabelMe gives them."""
