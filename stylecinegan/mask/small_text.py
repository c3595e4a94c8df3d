"""Detection of small print in small photos, whose letters have no shape of their own."""

import numpy as np

from stylecinegan.io import load_opencv

LARGEST_PHOTO = 640
"""Longer side of a photo, in pixels, up to which small print is looked for."""

STROKE_WINDOW = 5
"""Side of the square that is wider than a stroke, in pixels."""

LEAST_CONTRASTS = (0.3, 0.15, 0.08, 0.05)
"""Thresholds of the contrast between strokes and background, in [0, 1], tried in turn."""

LARGEST_FRAGMENT = (10, 30)
"""Largest (height, width) of connected strokes, in pixels."""

LARGEST_GAP = 9
"""Distance of strokes that belong to one line, in pixels, along the line."""

HEIGHTS, LEAST_ASPECT, LARGEST_WIDTH = (4, 11), 3.0, 0.5
"""Range of heights of a line in pixels, least width over height, largest share of the photo's
width."""

BORDER = 0.15
"""Part of the photo's height, above and below, where watermarks and dates are."""

LEAST_STROKES, STROKES_BY_ASPECT = 5, 0.8
"""Least number of strokes side by side, and per width over height."""

INK, INK_AROUND = (0.2, 0.8), (0.08, 0.15)
"""Range of the share of strokes in a line, and the largest share around it: of all pixels, and
of that in the line. Waves and clouds have strokes all around."""

LEAST_COLUMNS, LEAST_TALL = 0.6, 0.13
"""Least share of columns with a stroke, and of those with strokes over 45 % of the height."""


def find_small_text(values: np.ndarray) -> np.ndarray:
    """Finds lines of small print near the upper and lower border.

    A line is a narrow horizontal box of many short strokes with hardly any strokes around it.
    Among 417 landscapes of 256x256, about 80 of the 91 with such a line have a watermark there.

    Args:
        values: Brightness, ``[H, W]``, float32 in [0, 1].

    Returns:
        Boolean, ``[H, W]``, true in boxes of text; false everywhere in photos of over
        :data:`LARGEST_PHOTO` pixels.
    """
    cv2 = load_opencv()
    found = np.zeros(values.shape, bool)
    if max(values.shape) > LARGEST_PHOTO:
        return found
    window = np.ones((STROKE_WINDOW, STROKE_WINDOW), np.uint8)
    for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        response = cv2.morphologyEx(values, kind, window)
        for least in LEAST_CONTRASTS:
            strokes = response > least
            for top, left, height, width in _boxes(strokes):
                box = (slice(top, top + height), slice(left, left + width))
                if _is_text(strokes[box]) and _is_alone(strokes, top, left, height, width):
                    found[box] = True
    return found


def _boxes(strokes: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Boxes (top, left, height, width) of lines of short strokes near the border."""
    cv2 = load_opencv()
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(
        strokes.astype(np.uint8), connectivity=8
    )
    _, _, width, height, _ = statistics.T
    is_short = (height <= LARGEST_FRAGMENT[0]) & (width <= LARGEST_FRAGMENT[1])
    is_short[0] = False  # the background
    short = np.pad(is_short[parts].astype(np.uint8), LARGEST_GAP)
    closed = cv2.morphologyEx(short, cv2.MORPH_CLOSE, np.ones((1, LARGEST_GAP), np.uint8))
    inner = slice(LARGEST_GAP, -LARGEST_GAP)
    count, _, statistics, _ = cv2.connectedComponentsWithStats(closed[inner, inner], connectivity=8)
    rows, columns = strokes.shape
    boxes = []
    for left, top, width, height, _ in statistics[1:count].tolist():
        has_size = HEIGHTS[0] <= height <= HEIGHTS[1] and width <= LARGEST_WIDTH * columns
        at_border = top + height <= BORDER * rows or top >= (1.0 - BORDER) * rows
        if has_size and at_border and width >= LEAST_ASPECT * height:
            boxes.append((top, left, height, width))
    return boxes


def _is_text(ink: np.ndarray) -> bool:
    """Whether a box of strokes, ``[h, w]``, is filled like a line of text."""
    height, width = ink.shape
    starts = np.diff(np.pad(ink, ((0, 0), (1, 0))).astype(np.int8), axis=1) == 1
    most = np.sort(starts.sum(axis=1))[-max(2, height // 3) :]
    tall = ink.sum(axis=0) >= 0.45 * height
    return bool(
        most.mean() >= max(LEAST_STROKES, STROKES_BY_ASPECT * width / height)
        and INK[0] < ink.mean() < INK[1]
        and ink.any(axis=0).mean() > LEAST_COLUMNS
        and tall.mean() > LEAST_TALL
    )


def _is_alone(strokes: np.ndarray, top: int, left: int, height: int, width: int) -> bool:
    """Whether there are hardly any strokes within a line's height of it."""
    inside = strokes[top : top + height, left : left + width]
    rows = slice(max(0, top - height), top + 2 * height)
    around = strokes[rows, max(0, left - height) : left + width + height]
    share = (around.sum() - inside.sum()) / max(around.size - inside.size, 1)
    return bool(share < min(INK_AROUND[0], INK_AROUND[1] * inside.mean()))
