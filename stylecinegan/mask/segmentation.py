"""Segmentation network that complements the ensemble with precise edges of the sky."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.io import load_opencv
from stylecinegan.mask.ensemble import PixelClasses

SIDE = 384
"""Side of the square that a photo is resized to, as in the network's training."""

SKY_SIDE = 512
"""Side of the square for the sky of photos whose sides are as long: thin objects before it are
resolved better. Water is recognised better at :data:`SIDE`."""

LONGEST_ASPECT = 1.6
"""Largest aspect ratio that is resized to a square; the excess of longer photos is kept."""

WATER_WEIGHT, WATER_OFFSET, SHARPNESS = 0.4, 0.85, 4.0
"""Weight of the network's logit of water, offset and gain of the combined logit; chosen on 86
photos with hand-marked water, which neither was trained on, and 26 others."""

SKY_EVIDENCE, WATER_EVIDENCE = (0.5, 0.25), (1.0, 0.5)
"""Weights of the logits of the network and of the ensemble, which is blurred, in the evidence for
sky and water; the logits of sky are halved, because they vary more between clouds."""

POSSIBLE_WATER, CERTAIN_WATER, WATER_BONUS = -0.5, 0.43, 1.0
"""Hysteresis thresholds of the logit of water, and what bodies of water add to it."""

LEAST_CERTAIN_SHARE, LEAST_CERTAIN_AREA = 0.5, 0.002
"""Certain share of a body of water, and certain area as a share of the photo's."""

SMALL_THRESHOLDS, SMALL_AREAS = (0.0, 0.2), (0.0005, 0.03)
"""Hysteresis thresholds of small bodies of water, and their least certain and largest area."""

HOLE_LOGIT, HOLE_AREA, HOLE_BONUS = -1.0, 0.15, 2.3
"""Smallest mean logit and largest area of a doubtful hole in a body of water, and what it adds to
the logit there."""

FINE_DIPS, COARSE_DIPS = (31, 0.3, 3.0), (61, 0.4, 1.0)
"""Window, least depth and factor (:func:`find_dips`) for the network's and the combined logit."""

DIP_BONUS, MOST_THIN_WATER = 0.1, 0.87
"""What bodies of water add to the logit in dips, and the largest probability of water in fine
dips."""

LEAST_FALLING, LEAST_PEAK = 0.2, 0.5
"""Hysteresis thresholds of the probability of falling water: low and high."""


@torch.no_grad()
def segment(network: U2Net, photo: Tensor, side: int = SIDE) -> Tensor:
    """Predicts class probabilities: static, sky, water and, with four classes, falling water.

    Flip averaging would cost 0.4 s and changes no measured number.

    Args:
        network: The segmentation network.
        photo: ``[B, 3, H, W]`` in [-1, 1], any size and aspect.
        side: Side of the square that the photo is resized to.

    Returns:
        ``[B, classes, h, w]``.
    """
    height, width = photo.shape[2:]
    sides = [side, side]
    excess = max(height, width) / min(height, width) / LONGEST_ASPECT
    if excess > 1.0:
        sides[int(width > height)] = round(min(excess, 4.0) * side / 32) * 32
    # In float32: bfloat16 shifts edges.
    with torch.autocast(photo.device.type, enabled=False):
        # Bilinear enlargement blurs wires and twigs.
        mode = "bicubic" if max(photo.shape[2:]) < side else "bilinear"
        image = F.interpolate(photo.float(), sides, mode=mode, antialias=True)
        return network(image.clamp(-1.0, 1.0)).softmax(dim=1)


def replace_sky(segmented: Tensor, sky: Tensor) -> Tensor:
    """Replaces the sky of a prediction by that of one at another size.

    Args:
        segmented: Result of :func:`segment`, ``[B, classes, h, w]``.
        sky: Probability of sky s, ``[B, 1, H, W]``.

    Returns:
        ``[B, classes, H, W]``: s, and for kinds of water (1 - s) times their probability given
        that a pixel is not sky.
    """
    segmented = F.interpolate(segmented, sky.shape[2:], mode="bilinear")
    given_no_sky = segmented[:, 2:] / (1.0 - segmented[:, 1:2]).clamp(min=1e-3)
    water = (1.0 - sky) * given_no_sky
    return torch.cat([1.0 - sky - water.sum(dim=1, keepdim=True), sky, water], dim=1)


def combine(classes: PixelClasses, segmented: Tensor) -> PixelClasses:
    """Combines the ensemble's water with the segmentation network's sky.

    Let s be the network's probability of sky, n its probability of water (falling or not) given
    that a pixel is not sky, and w the ensemble's probability of water. The combined probabilities
    are s for sky, (1 - s) v for water and the remainder for static, with

        l = logit w + 0.4 logit n - 0.85,
        v = sigmoid(4 (l + 1))         in bodies of water (:func:`find_water`),
        v = sigmoid(4 (l + 2.3))       in their doubtful holes (:func:`find_holes`),
        v = min(sigmoid(4 l), 0.5)     elsewhere:

    the ensemble recognises water better, and the two rarely make the same error. The gain of 4
    keeps the matting from breaking up confident water by its colours.

    In dips (:func:`find_dips`) of l outside holes, or of logit n, the bonus is 0.1 instead: what
    stands in or before water is easily taken for it. In those of logit n, things too thin for the
    ensemble, v is also at most 0.87, so that the matting decides by their colours.

    In falling water (:func:`find_falling`), part of which the ensemble takes for rock, the
    probability of water is 1 - s. The ensemble's mean there must be at least 0.5, because the
    network confuses falls with snow and roads.

    Args:
        classes: The ensemble's classes, at any size.
        segmented: Result of :func:`segment`, ``[B, 3 or 4, h, w]``.

    Returns:
        Classes of the size of ``segmented``. Their confidence is the largest probability, their
        evidence 0.5 logit s + 0.25 logit of the ensemble's sky, and logit n + 0.5 logit w.
    """
    size = segmented.shape[2:]
    known = F.interpolate(classes.probabilities.float(), size, mode="bilinear")
    sky = segmented[:, 1:2]
    share = segmented[:, 2:].sum(dim=1, keepdim=True) / (1.0 - sky).clamp(min=1e-3)
    fine = share.logit(0.05)
    coarse = known[:, 2:3].logit(0.005)
    logit = coarse + WATER_WEIGHT * fine - WATER_OFFSET
    without_sky = logit.masked_fill(sky >= 0.5, -torch.inf)
    is_body = find_water(without_sky)
    is_hole = find_holes(without_sky, is_body)
    is_water = is_body | is_hole | find_small_water(without_sky)
    is_thin = find_dips(fine, is_water, *FINE_DIPS)
    # A hole is a wide dip of the combined logit itself.
    is_dip = is_thin | (find_dips(logit, is_water, *COARSE_DIPS) & ~is_hole)
    bonus = torch.where(is_hole, HOLE_BONUS, WATER_BONUS).masked_fill(is_dip, DIP_BONUS)
    water = torch.where(
        is_water,
        (SHARPNESS * (logit + bonus)).sigmoid(),
        (SHARPNESS * logit).sigmoid().clamp(max=0.5),
    )
    water = (1.0 - sky) * torch.where(is_thin, water.clamp(max=MOST_THIN_WATER), water)
    falling = segmented[:, 3:] if segmented.shape[1] > 3 else None
    if falling is not None:
        water = torch.where(find_falling(falling, known[:, 2:3]), 1.0 - sky, water)
    probabilities = torch.cat([1.0 - sky - water, sky, water], dim=1)
    confidence, vote = probabilities.max(dim=1, keepdim=True)
    of_sky = SKY_EVIDENCE[0] * sky.logit(0.01) + SKY_EVIDENCE[1] * known[:, 1:2].logit(0.005)
    of_water = WATER_EVIDENCE[0] * fine + WATER_EVIDENCE[1] * coarse
    evidence = torch.cat([of_sky, of_water], dim=1)
    return PixelClasses(probabilities, vote, confidence, falling, evidence)


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
