"""Detection of text laid over a photo: titles, dates, watermarks."""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.framing import limited_size
from stylecinegan.io import load_opencv
from stylecinegan.mask.prediction import MaskPrediction
from stylecinegan.mask.small_text import find_small_text

WORKING_SIDE = 1024
"""Longer side at which text is detected."""

STROKE_WIDTH = 0.014
"""Largest width of a stroke, as a fraction of the longer side."""

LEAST_CONTRASTS = (0.3, 0.15, 0.08)
"""Thresholds of the contrast between strokes and background, in [0, 1], tried in turn."""

LEAST_HEIGHT, LARGEST_HEIGHT = 0.009, 0.09
"""Smallest and largest height of a letter, as fractions of the longer side."""

LEAST_PIXELS = 7
"""Smallest height of a letter in pixels of the working size; smaller ones have no shape."""

LEAST_LETTERS = 5
"""Smallest number of letters in a line of text; fewer may be waves, stars or birds."""

MARGIN = 0.004
"""Width of the static margin around letters, as a fraction of the longer side."""


@dataclass(frozen=True)
class _Letter:
    part: int
    left: int
    top: int
    width: int
    height: int
    contrast: float

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width


def find_text(photo: Tensor) -> Tensor | None:
    """Finds horizontal lines of text laid over a photo.

    Letters are connected strokes, thin for their height, uniform in brightness and in contrast to
    their surroundings; they stand side by side on a common baseline. In small photos lines of
    smaller strokes count, too (:func:`~stylecinegan.mask.small_text.find_small_text`).

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].

    Returns:
        1 on letters and a margin around them, ``[1, 1, H, W]``; ``None`` without text.
    """
    cv2 = load_opencv()
    size = limited_size(photo.shape[2:], WORKING_SIDE)
    grey = photo.float().mean(dim=1, keepdim=True) / 2.0 + 0.5
    if size != tuple(photo.shape[2:]):
        grey = F.interpolate(grey, size, mode="area")
    values = np.ascontiguousarray(grey[0, 0].cpu().numpy())
    longer = max(size)
    window = 2 * round(STROKE_WIDTH * longer / 2) + 3
    kernel = np.ones((window, window), np.uint8)
    found = np.zeros(size, bool)
    for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        response = cv2.morphologyEx(values, kind, kernel)
        for least in LEAST_CONTRASTS:
            found |= _lines_of_text(response, least, longer)
    found |= find_small_text(values)
    if not found.any():
        return None
    radius = max(1, round(MARGIN * longer))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    text = cv2.dilate(found.astype(np.float32), disc)
    return F.interpolate(torch.from_numpy(text)[None, None], photo.shape[2:], mode="bilinear").to(
        photo
    )


def keep_text_static(prediction: MaskPrediction, text: Tensor | None) -> MaskPrediction:
    """Removes text from a predicted mask.

    Args:
        prediction: Prediction for a photo.
        text: Result of :func:`find_text` for the photo.
    """
    if text is None:
        return prediction
    return replace(prediction, mask=prediction.mask * (1.0 - text))


def _lines_of_text(response: np.ndarray, least: float, longer: int) -> np.ndarray:
    """Pixels of text among those whose contrast exceeds ``least``, boolean ``[H, W]``."""
    cv2 = load_opencv()
    strokes = (response > least).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    letters = _letters(response, parts, statistics, longer)
    chosen = np.zeros(count, bool)
    left, top, width, height, _ = statistics.T
    for line in _lines(letters):
        if not _is_text(line):
            continue
        tall = max(letter.height for letter in line)
        upper = min(letter.top for letter in line) - 0.3 * tall
        lower = max(letter.bottom for letter in line) + 0.4 * tall
        first, last = _extent(line, letters, upper, lower, tall)
        # With dots, commas, and letters that reach below the line.
        chosen |= (
            (left >= first - 0.5 * tall)
            & (left + width <= last + 0.5 * tall)
            & (top >= upper)
            & (top + height <= lower)
        )
    chosen[0] = False  # the background
    return chosen[parts]


def _letters(
    response: np.ndarray, parts: np.ndarray, statistics: np.ndarray, longer: int
) -> list[_Letter]:
    letters = []
    _, _, width, height, area = statistics.T
    is_letter = (height >= max(LEAST_PIXELS, LEAST_HEIGHT * longer)) & (
        height <= LARGEST_HEIGHT * longer
    )
    is_letter &= (width >= 0.08 * height) & (width <= 3.0 * height)
    is_letter &= (area > 0.1 * width * height) & (area < 0.95 * width * height)
    is_letter[0] = False  # the background
    for part in np.flatnonzero(is_letter).tolist():
        left, top, width, height, _ = statistics[part].tolist()
        box = (slice(top, top + height), slice(left, left + width))
        inside = parts[box] == part
        values = response[box][inside]
        # The middle of the strokes; their edges are mixed with the background.
        core = values[values >= np.quantile(values, 0.5)]
        if core.std() > 0.2 * core.mean():
            continue
        letters.append(_Letter(part, left, top, width, height, float(core.mean())))
    return sorted(letters, key=lambda letter: letter.left)


def _lines(letters: list[_Letter]) -> list[list[_Letter]]:
    """Chains of adjacent letters on a common baseline, from left to right."""
    lines: list[list[_Letter]] = []
    for letter in letters:
        best = None
        for line in lines:
            last = line[-1]
            larger = max(last.height, letter.height)
            gap = letter.left - last.right
            if not -0.2 * larger <= gap <= 1.0 * larger:
                continue
            if abs(letter.bottom - last.bottom) > max(1.0, 0.12 * larger):
                continue
            if min(last.height, letter.height) < 0.5 * larger:
                continue
            if abs(letter.contrast - last.contrast) > 0.35 * max(letter.contrast, last.contrast):
                continue
            if best is None or len(line) > len(best):
                best = line
        if best is None:
            lines.append([letter])
        else:
            best.append(letter)
    return lines


def _extent(
    line: list[_Letter], letters: list[_Letter], upper: float, lower: float, tall: int
) -> tuple[int, int]:
    """First and last column of a line of text, extended by adjacent letters of similar contrast."""
    usual = float(np.median([letter.contrast for letter in line]))
    within = [
        letter
        for letter in letters
        if letter.top >= upper
        and letter.bottom <= lower
        and abs(letter.contrast - usual) <= 0.5 * usual
    ]
    first, last = line[0].left, line[-1].right
    for letter in within:  # from left to right
        if last <= letter.right and letter.left <= last + 1.2 * tall:
            last = letter.right
    for letter in reversed(within):
        if letter.left <= first and letter.right >= first - 1.2 * tall:
            first = letter.left
    return first, last


def _is_text(line: list[_Letter]) -> bool:
    if len(line) < LEAST_LETTERS:
        return False
    heights = np.array([letter.height for letter in line], float)
    bottoms = np.array([letter.bottom for letter in line], float)
    tall = np.quantile(heights, 0.75)
    on_line = np.abs(bottoms - np.median(bottoms)) <= max(1.0, 0.06 * tall)
    return bool(on_line.mean() >= 0.75)
