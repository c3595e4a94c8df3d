"""Static regions within moving ones: evidence beyond a pixel's own probability."""

import numpy as np

from stylecinegan.io import load_opencv
from stylecinegan.mask.colour_models import (
    MODEL_SIDE,
    certainty,
    core_weights,
    fit_colours,
    log_ratio,
    resize,
    shrink,
)
from stylecinegan.mask.refinement import remove_small

BORDER_AREA = 5e-4
"""Smallest area of a static object that enters from the border, as a fraction of the photo."""

SHARP_EDGE = 0.15
"""Smallest mean gradient along the outline of a static object, in [0, 1]; clouds have less."""

VIVID = 20.0
"""Distance of a pixel's chroma from that of the water nearby, in units of CIELAB, above which it is
vivid, like petals and leaves; foam and shade differ from water in lightness."""

VIVID_REACH = 0.012
"""Largest distance of a vivid static region from another one, or from the photo's border, as a
fraction of the longer side."""

OBJECT_CONTRAST = 1.1
"""Smallest difference between the evidence for motion around an object and on it, in logits."""

OBJECT_RING = (0.012, 0.03)
"""Inner and outer distance from an object of the moving region that it is compared with, as
fractions of the longer side."""

OBJECT_AREA, OBJECT_COMPACTNESS = 1e-4, 0.15
"""Smallest area of such an object, as a fraction of the photo, and smallest fraction of it that the
largest inscribed circle covers; reflections of trees are ragged."""

DOUBTFUL = 0.98
"""Probability of motion below which a thin extension of a static region is static, too."""

THIN_WIDTH, THIN_LENGTH, TRUNK_AREA = 0.004, 0.04, 0.01
"""Largest width and smallest length of a thin extension, as fractions of the photo's longer side,
and smallest area of the static region that it extends, as a fraction of the photo."""

GAP_BAND = 0.08
"""Largest distance of a gap from the photo's border, as a fraction of the longer side."""

GAP_SIDE = 512
"""Longer side at which colours in gaps are compared."""

GAP_EVIDENCE = 3.0
"""Smallest evidence of a gap's colours against motion, in logits."""

GAP_CONTACT = 0.9
"""Smallest length of a gap's contact with static regions, and half the smallest one with these and
the photo's border, in units of the root of its area: a square between the two has 1 and 2."""

GAP_AREA, GAP_DETAIL = 1e-4, 0.002
"""Smallest area of a gap, and half the size of the details that are ignored in its shape, as
fractions of the photo's area and of its longer side."""

ISLAND_AREA, ISLAND_PEAK = 0.03, 0.9
"""Area, as a fraction of the photo, and largest probability of motion below which an island of
motion is doubtful."""


def touches_border(statistics: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Finds the connected components that touch the picture's border.

    Args:
        statistics: OpenCV's statistics of components, ``[N, 5]``.
        size: (height, width) of the picture.

    Returns:
        Boolean, ``[N]``.
    """
    left, top, width, height, _ = statistics.T
    return (left == 0) | (top == 0) | (left + width == size[1]) | (top + height == size[0])


def find_vivid(water: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Finds pixels in water whose chroma is unlike that of the water nearby.

    Args:
        water: Probability of water, ``[h, w]``, float32 in [0, 1].
        picture: ``[H, W, 3]``, float32 in [0, 1].

    Returns:
        Where the distance of (a*, b*) from that of the water's mean colour exceeds :data:`VIVID`,
        boolean ``[H, W]``.
    """
    size = picture.shape[:2]
    if water.max() <= 0.5:
        return np.zeros(size, bool)
    cv2 = load_opencv()
    small = shrink(picture, MODEL_SIDE)
    mean = fit_colours(small, core_weights(resize(water, small.shape[:2]))).mean
    usual = cv2.cvtColor(mean.clip(0.0, 1.0).astype(np.float32), cv2.COLOR_RGB2LAB)
    difference = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB) - resize(usual, size)
    is_vivid = np.hypot(difference[..., 1], difference[..., 2]) > VIVID
    return is_vivid & (resize(water, size) > 0.5)


def supported_static_regions(
    moves: np.ndarray, static_seeds: np.ndarray, picture: np.ndarray, vivid: np.ndarray
) -> np.ndarray:
    """Finds the static regions with evidence beyond their colour.

    A static region is supported if it contains a seed, if most of it is vivid, or if it is large,
    enters from the photo's border and has a sharp outline, like a railing in front of a river.

    Args:
        moves: Moving pixels, boolean ``[H, W]``.
        static_seeds: Pixels whose prior probability of motion is low, boolean ``[H, W]``.
        picture: ``[H, W, 3]``, float32 in [0, 1].
        vivid: Result of :func:`find_vivid`.

    Returns:
        Boolean, ``[H, W]``.
    """
    cv2 = load_opencv()
    height, width = moves.shape
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(
        (~moves).astype(np.uint8), connectivity=8
    )
    area = statistics[:, cv2.CC_STAT_AREA]
    supported = np.bincount(parts[static_seeds], minlength=count) > 0
    at_border = touches_border(statistics, moves.shape)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    contrast = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    neighbours = np.ones((3, 3), np.uint8)
    contrast = cv2.dilate(contrast / 4.0, neighbours)
    outline = ~moves & (cv2.dilate(moves.astype(np.uint8), neighbours) > 0)
    length = np.bincount(parts[outline], minlength=count)
    sharpness = np.bincount(parts[outline], contrast[outline], count) / np.maximum(length, 1)
    supported |= at_border & (area >= BORDER_AREA * moves.size) & (sharpness > SHARP_EDGE)
    supported[0] = False  # the moving region
    # Petals and leaves near what is static; reflections of lights are vivid, too, but far from it.
    reach = round(VIVID_REACH * max(height, width))
    outside = np.pad(supported[parts].astype(np.uint8), 1, constant_values=1)
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = cv2.dilate(outside, window)[1:-1, 1:-1] > 0
    is_vivid = np.bincount(parts[vivid], minlength=count) > 0.5 * area
    is_near = np.bincount(parts[near], minlength=count) > 0
    is_vivid[0] = False
    return (supported | (is_vivid & is_near))[parts]


def find_objects(holes: np.ndarray, moves: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Finds objects, such as rocks in water, boats and the moon, among holes of a moving region.

    Clouds, shade and reflections have other colours than the sky or water around them, too, but the
    networks' evidence for motion falls less there.

    Args:
        holes: Holes of the moving region that are due to their colour alone, boolean ``[H, W]``.
        moves: Moving pixels of one class, boolean ``[H, W]``.
        evidence: Evidence for this class in logits, ``[h, w]``, float32.

    Returns:
        Boolean ``[H, W]``: compact connected components of holes (:data:`OBJECT_COMPACTNESS`) that
        do not touch the photo's border and on which the mean evidence is lower by at least
        :data:`OBJECT_CONTRAST` than its median over the moving pixels around them
        (:data:`OBJECT_RING`).
    """
    cv2 = load_opencv()
    nearest, farthest = (max(1, round(part * max(holes.shape))) for part in OBJECT_RING)
    evidence = resize(evidence, holes.shape)
    found = np.zeros_like(holes)
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(
        holes.astype(np.uint8), connectivity=8
    )
    at_border = touches_border(statistics, holes.shape)
    for part, (left, top, columns, rows, area) in enumerate(statistics):
        right, bottom = left + columns, top + rows
        if part == 0 or at_border[part] or area < OBJECT_AREA * holes.size:
            continue
        box = (
            slice(max(0, top - farthest), bottom + farthest),
            slice(max(0, left - farthest), right + farthest),
        )
        inside = parts[box] == part
        radius = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5).max()
        if np.pi * radius**2 < OBJECT_COMPACTNESS * area:
            continue
        distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
        around = moves[box] & (distance > nearest) & (distance <= farthest)
        if around.any():
            contrast = np.median(evidence[box][around]) - evidence[box][inside].mean()
            found[box] |= inside & (contrast >= OBJECT_CONTRAST)
    return found


def thin_extensions(static: np.ndarray, doubtful: np.ndarray) -> np.ndarray:
    """Finds thin extensions of large static regions, such as wires, twigs and rigging.

    Where a thin object crosses waves of its own colour, the evidence against motion is weak.

    Args:
        static: Static pixels, boolean ``[H, W]``.
        doubtful: Pixels that do not move for certain, boolean ``[H, W]``.

    Returns:
        Doubtful pixels, boolean ``[H, W]``, that a morphological opening by a disc of diameter
        :data:`THIN_WIDTH` removes, in components that are at least :data:`THIN_LENGTH` long and
        connected to a static region of at least :data:`TRUNK_AREA`.
    """
    cv2 = load_opencv()
    longer = max(static.shape)
    radius = max(1, round(0.5 * THIN_WIDTH * longer))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    region = np.pad((static | doubtful).astype(np.uint8), 2 * radius, mode="edge")
    wide = cv2.morphologyEx(region, cv2.MORPH_OPEN, disc)
    inner = slice(2 * radius, -2 * radius)
    narrow = doubtful & (wide[inner, inner] == 0)
    # The opening keeps the foot of a narrow part, which connects it.
    feet = (cv2.dilate(narrow.astype(np.uint8), disc) > 0) & doubtful
    count, parts = cv2.connectedComponents((feet | static).astype(np.uint8), connectivity=8)
    trunks = remove_small(static, TRUNK_AREA)
    joined = np.zeros(count, bool)
    joined[np.unique(parts[trunks])] = True
    added = (joined[parts] & narrow & ~static).astype(np.uint8)
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(added, connectivity=8)
    columns, rows = statistics[:, cv2.CC_STAT_WIDTH], statistics[:, cv2.CC_STAT_HEIGHT]
    is_long = np.maximum(columns, rows) >= THIN_LENGTH * longer
    is_long[0] = False  # the background
    return is_long[parts]


def border_gaps(static: np.ndarray, water: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Finds gaps between static regions and the photo's border.

    Close to the border the networks see little of what the photo cuts off, and may take the end of
    a railing for the river that it crosses. Colours there are compared with those of water farther
    inside, because those of the water nearby include the railing's.

    Args:
        static: Static pixels, boolean ``[H, W]``.
        water: Probability of water, ``[h, w]``, float32 in [0, 1].
        picture: ``[H, W, 3]``, float32 in [0, 1].

    Returns:
        Water, boolean ``[H, W]``, within :data:`GAP_BAND` of the border whose colours are evidence
        of at least :data:`GAP_EVIDENCE` against motion, in components that have a long contact with
        static pixels and with the border (:data:`GAP_CONTACT`).
    """
    size, longer = static.shape, max(static.shape)
    width = round(GAP_BAND * longer)
    band = np.ones(size, bool)
    band[width:-width, width:-width] = False
    small = shrink(picture, MODEL_SIDE)
    sides = small.shape[:2]
    share = resize(static.astype(np.float32), sides)
    inside = resize((~band).astype(np.float32), sides)
    farther = core_weights(resize(water, sides) * (1.0 - share)) * inside
    if not farther.any() or not static.any():
        return np.zeros_like(static)
    cv2 = load_opencv()
    still = fit_colours(small, certainty(share, 1))
    evidence = log_ratio(fit_colours(small, farther), still, shrink(picture, GAP_SIDE))
    is_static = resize(evidence, size) < -GAP_EVIDENCE
    inner = band & ~static
    region = static | (inner & is_static & (resize(water, size) > 0.5))
    detail = 2 * max(1, round(GAP_DETAIL * longer)) + 1
    window = np.ones((detail, detail), np.uint8)
    closed = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, window)
    gaps = cv2.morphologyEx(closed * inner, cv2.MORPH_OPEN, window)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(gaps, connectivity=8)
    area = statistics[:, cv2.CC_STAT_AREA]
    beside = cv2.dilate(static.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    at_border = np.ones_like(static)
    at_border[1:-1, 1:-1] = False
    side = np.sqrt(area)
    found = np.bincount(parts[beside], minlength=count) >= GAP_CONTACT * side
    found &= np.bincount(parts[beside | at_border], minlength=count) >= 2.0 * GAP_CONTACT * side
    found &= area >= GAP_AREA * static.size
    found[0] = False  # the background
    return found[parts]


def doubtful_islands(moves: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Finds islands of motion that are small and nowhere certain, such as snow on a peak.

    Args:
        moves: Moving pixels, boolean ``[H, W]``.
        probability: Prior probability of motion, ``[H, W]`` in [0, 1].

    Returns:
        Connected components of at most :data:`ISLAND_AREA` without a probability above
        :data:`ISLAND_PEAK`, boolean ``[H, W]``.
    """
    _, parts, statistics, _ = load_opencv().connectedComponentsWithStats(
        moves.astype(np.uint8), connectivity=8
    )
    is_doubtful = statistics[:, -1] <= ISLAND_AREA * moves.size
    is_doubtful[np.unique(parts[probability > ISLAND_PEAK])] = False
    is_doubtful[0] = False  # the static region
    return is_doubtful[parts]
