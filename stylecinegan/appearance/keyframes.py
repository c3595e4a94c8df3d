"""Interpolation of a changing style between keyframes of β, to run the generator less often."""

import logging
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache

from stylecinegan.appearance.styled_photo import StyledPhoto

logger = logging.getLogger(__name__)

TOLERANCE = 1.0
"""Largest mean absolute error of an interpolated picture, in 8-bit levels."""

MAX_KEYFRAMES = 33
"""Largest number of keyframes; styles that need more are rendered exactly in every frame."""

StyleAt = Callable[[float], StyledPhoto]
"""Function from β to the photo in that style."""


def interpolate_keyframes(style_at: StyleAt, low: float, high: float) -> StyleAt:
    """Interpolates the styled photo between keyframes of β.

    Codes are linear in β and pictures nearly so. Intervals of β are bisected until the exact
    picture in the middle is within ``TOLERANCE`` of the interpolated one. The middle becomes a
    keyframe too, so the remaining error is about a quarter of the one measured.

    Args:
        style_at: The exact function, which runs the generator.
        low: One end of the range of β.
        high: The other end.

    Returns:
        A function of β in that range, exact at keyframes.
    """
    keyframes = {beta: style_at(beta) for beta in {low, high}}
    if not all(photo.is_linear for photo in keyframes.values()):
        logger.info("this rendering is not linear in the style: every frame runs the generator")
        return exact_at_every_frame(style_at)
    largest = 0.0
    pending = [(low, high)] if low != high else []
    while pending:
        if len(keyframes) >= MAX_KEYFRAMES:
            logger.warning("the style changes too irregularly: every frame runs the generator")
            return exact_at_every_frame(style_at)
        start, end = pending.pop()
        middle = 0.5 * (start + end)
        keyframes[middle] = style_at(middle)
        error = _error(keyframes[start], keyframes[middle], keyframes[end])
        if error > TOLERANCE:
            pending += [(start, middle), (middle, end)]
        else:
            largest = max(largest, error)
    logger.info("appearance: %d keyframes, error at most %.2f of 255", len(keyframes), largest)
    betas = sorted(keyframes)

    def between(beta: float) -> StyledPhoto:
        if beta in keyframes:
            return keyframes[beta]
        index = min(max(bisect_right(betas, beta), 1), len(betas) - 1)
        start, end = betas[index - 1], betas[index]
        return keyframes[start].interpolate(keyframes[end], (beta - start) / (end - start))

    return between


def exact_at_every_frame(style_at: StyleAt) -> StyleAt:
    """The exact function; the generator runs once for consecutive frames of equal β."""
    return lru_cache(maxsize=1)(style_at)


def _error(start: StyledPhoto, middle: StyledPhoto, end: StyledPhoto) -> float:
    """Mean absolute error of interpolating the middle picture, in 8-bit levels."""
    mean = (start.photo + end.photo).mul_(0.5)
    return float(mean.sub_(middle.photo).abs_().mean()) * 127.5
