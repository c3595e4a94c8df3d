"""A changing style at the cost of a few runs of the generator."""

import logging
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache

from stylecinegan.appearance.style_change import StyledPhoto

logger = logging.getLogger(__name__)

TOLERANCE = 1.0
"""Largest mean error of a picture between two key values of β, of 255."""

MOST_KEYS = 33
"""Key values held in memory; a path that needs more is computed for every frame."""

StyleAt = Callable[[float], StyledPhoto]
"""The photo under the style of one β."""


def interpolated(style_at: StyleAt, low: float, high: float) -> StyleAt:
    """Replaces most runs of the generator by interpolation between key values of β.

    The generator's codes are linear in β, its pictures nearly so. An interval of β is halved until
    the picture in its middle, computed exactly, is within ``TOLERANCE`` of the interpolated one;
    that picture then is a key too, so that the error that remains is about a quarter of what was
    measured.

    Args:
        style_at: The exact path, which costs a run of the generator.
        low: The smallest β that will be asked for, or the largest.
        high: The other end.

    Returns:
        A function that takes any β between the two; at a key value the result is exact.
    """
    keys = {beta: style_at(beta) for beta in {low, high}}
    if not all(photo.is_linear for photo in keys.values()):
        logger.info("this rendering is not linear in the style: every frame runs the generator")
        return every_frame(style_at)
    largest = 0.0
    pending = [(low, high)] if low != high else []
    while pending:
        if len(keys) >= MOST_KEYS:
            logger.warning("the style changes too irregularly: every frame runs the generator")
            return every_frame(style_at)
        start, end = pending.pop()
        middle = 0.5 * (start + end)
        keys[middle] = style_at(middle)
        error = _error(keys[start], keys[middle], keys[end])
        if error > TOLERANCE:
            pending += [(start, middle), (middle, end)]
        else:
            largest = max(largest, error)
    logger.info("appearance: %d key values, error at most %.2f of 255", len(keys), largest)
    betas = sorted(keys)

    def between(beta: float) -> StyledPhoto:
        if beta in keys:
            return keys[beta]
        index = min(max(bisect_right(betas, beta), 1), len(betas) - 1)
        start, end = betas[index - 1], betas[index]
        return keys[start].interpolate(keys[end], (beta - start) / (end - start))

    return between


def every_frame(style_at: StyleAt) -> StyleAt:
    """The exact path; frames in a row that share their β share its run of the generator."""
    return lru_cache(maxsize=1)(style_at)


def _error(start: StyledPhoto, middle: StyledPhoto, end: StyledPhoto) -> float:
    """Mean absolute difference of the middle picture and the mean of the outer ones, of 255."""
    mean = (start.photo + end.photo).mul_(0.5)
    return float(mean.sub_(middle.photo).abs_().mean()) * 127.5
