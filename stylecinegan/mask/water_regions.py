"""Bodies of water, their holes and dips, and falling water, as regions of predicted logits."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from stylecinegan.io import load_opencv

POSSIBLE_WATER, CERTAIN_WATER = -0.5, 0.43
"""Hysteresis thresholds of the logit of water."""

LEAST_CERTAIN_SHARE, LEAST_CERTAIN_AREA = 0.5, 0.002
"""Certain share of a body of water, and certain area as a share of the photo's."""

SMALL_THRESHOLDS, SMALL_AREAS = (0.0, 0.2), (0.0005, 0.03)
"""Hysteresis thresholds of small bodies of water, and their least certain and largest area."""

HOLE_LOGIT, HOLE_AREA = -1.0, 0.15
"""Smallest mean logit and largest area of a doubtful hole in a body of water."""

FINE_DIPS, COARSE_DIPS = (31, 0.3, 3.0), (61, 0.4, 1.0)
"""Window, least depth and factor (:func:`find_dips`) for the network's and the combined logit."""

LEAST_FALLING, LEAST_PEAK = 0.2, 0.5
"""Hysteresis thresholds of the probability of falling water: low and high."""


def find_water(logit: Tensor) -> Tensor:
    """Finds bodies of water: connected components most of which is certainly water.

    Glitter and shade in a lake thus count as water; a wet road with a few certain pixels does not.

    Args:
        logit: Logit of water, ``[B, 1, h, w]``.

    Returns:
        Connected components above :data:`POSSIBLE_WATER` of which more than
        :data:`LEAST_CERTAIN_SHARE`, and more than :data:`LEAST_CERTAIN_AREA` of the picture, is
        above :data:`CERTAIN_WATER`, boolean ``[B, 1, h, w]``.
    """
    return _each(
        lambda values: _bodies(values, POSSIBLE_WATER, CERTAIN_WATER, LEAST_CERTAIN_AREA), logit
    )


def find_small_water(logit: Tensor) -> Tensor:
    """Finds small bodies of water, such as far ponds and falls, of which the logit is smaller.

    Args:
        logit: Logit of water, ``[B, 1, h, w]``.

    Returns:
        Connected components above 0 of which more than half is above 0.2, as in :func:`find_water`,
        but of at most 3 % of the picture and away from its border, boolean ``[B, 1, h, w]``:
        what enters from the border is near, and paving or snow more often than water.
    """

    def find(values: np.ndarray) -> np.ndarray:
        least, largest = SMALL_AREAS
        count, number = _components(_bodies(values, *SMALL_THRESHOLDS, least))
        is_small = np.bincount(number.ravel(), minlength=count) <= largest * number.size
        for side in (number[0], number[-1], number[:, 0], number[:, -1]):
            is_small[side] = False
        is_small[0] = False
        return is_small[number]

    return _each(find, logit)


def find_holes(logit: Tensor, is_water: Tensor) -> Tensor:
    """Finds doubtful holes in bodies of water: glitter and shade, which are water, too.

    Args:
        logit: Logit of water, ``[B, 1, h, w]``.
        is_water: Bodies of water, boolean ``[B, 1, h, w]``.

    Returns:
        Connected components of the remainder whose mean logit is above :data:`HOLE_LOGIT` and whose
        area is below :data:`HOLE_AREA` of the picture, boolean ``[B, 1, h, w]``. Land and what
        stands in the water have lower logits.
    """

    def find(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
        count, number = _components(~inside, connectivity=4)
        area = np.bincount(number.ravel(), minlength=count)
        finite = np.maximum(values, -20.0)  # the sky's logit is -inf
        total = np.bincount(number.ravel(), finite.ravel(), count)
        is_hole = (total > HOLE_LOGIT * area) & (area < HOLE_AREA * number.size)
        is_hole[0] = False
        return is_hole[number] & inside.any()

    return _each(find, logit, is_water)


def find_dips(logit: Tensor, is_water: Tensor, window: int, least: float, factor: float) -> Tensor:
    """Finds dips of a logit of water: railings, masts, branches before water.

    They are narrow valleys of the logit l, so the black top-hat d, the morphological closing with a
    square of ``window`` pixels minus l, is large there. So it is in waves and reflections, but in
    many places of the water: the threshold is least + factor median(d), the median over the water.

    Args:
        logit: Logit of water, ``[B, 1, h, w]``.
        is_water: Bodies of water, boolean ``[B, 1, h, w]``.
        window: Side of the square, in pixels; wider valleys are no dips.
        least: Smallest depth of a dip in calm water.
        factor: Weight of the median.

    Returns:
        Where d exceeds the threshold, boolean ``[B, 1, h, w]``; nowhere in pictures without water.
    """
    cv2 = load_opencv()
    square = np.ones((window, window), np.uint8)

    def find(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
        depth = cv2.morphologyEx(values, cv2.MORPH_BLACKHAT, square)
        usual = np.median(depth[inside]) if inside.any() else np.inf
        return depth > least + factor * usual

    return _each(find, logit, is_water)


def find_falling(probability: Tensor, water: Tensor | None = None) -> Tensor:
    """Finds falling water by a threshold with hysteresis.

    The class is rare, so the network underestimates its probability.

    Args:
        probability: Probability of falling water, ``[B, 1, h, w]``.
        water: Probability of water by other means, ``[B, 1, h, w]``; components where its mean is
            below 0.5 are left out.

    Returns:
        Connected components above :data:`LEAST_FALLING` with a pixel above :data:`LEAST_PEAK`,
        boolean ``[B, 1, h, w]``.
    """

    def find(values: np.ndarray, known: np.ndarray) -> np.ndarray:
        count, number = _components(values > LEAST_FALLING)
        area = np.bincount(number.ravel(), minlength=count)
        mean = np.bincount(number.ravel(), known.ravel(), count) / np.maximum(area, 1)
        peaks = np.unique(number[values > LEAST_PEAK])
        return np.isin(number, [part for part in peaks if part and mean[part] >= 0.5])

    return _each(find, probability, torch.ones_like(probability) if water is None else water)


def _bodies(
    values: np.ndarray, possible: float, certain: float, least_certain_area: float
) -> np.ndarray:
    """Connected components above ``possible`` of which enough is above ``certain``."""
    count, number = _components(values > possible)
    area = np.bincount(number.ravel(), minlength=count)
    num_certain = np.bincount(number[values > certain], minlength=count)
    is_body = (num_certain > LEAST_CERTAIN_SHARE * area) & (
        num_certain > least_certain_area * number.size
    )
    is_body[0] = False
    return is_body[number]


def _each(find: Callable[..., np.ndarray], *maps: Tensor) -> Tensor:
    """Applies a function of maps ``[h, w]`` to every element of batches ``[B, 1, h, w]``."""
    arrays = [(part if part.dtype == torch.bool else part.float()).cpu().numpy() for part in maps]
    found = [find(*(part[index, 0] for part in arrays)) for index in range(len(arrays[0]))]
    return torch.from_numpy(np.stack(found))[:, None].to(maps[0].device)


def _components(region: np.ndarray, connectivity: int = 8) -> tuple[int, np.ndarray]:
    """Labels connected components; returns the number of labels, 0 included, and the labels."""
    return load_opencv().connectedComponents(region.astype(np.uint8), connectivity=connectivity)
