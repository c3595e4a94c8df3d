"""Matting: from a coarse probability of motion to a soft mask at the photo's size."""

import math

import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.framing import limited_size
from stylecinegan.inputs import check_photo
from stylecinegan.io import load_opencv
from stylecinegan.mask.colour_models import ColourModel, fit_colours, resize
from stylecinegan.mask.guided_filter import guided_filter
from stylecinegan.mask.refinement import remove_small, soften

CAUTION = 0.7
"""Default of ``caution``, measured on photos of towns (docs/experiments/masks.md)."""

FULL_SIDE = 1024
"""Longer side at which probabilities are updated by colour; wires must be resolved."""

MODEL_SIDE = 192
"""Longer side at which the colour models are fitted."""

MOVING_OUTLIERS, STATIC_OUTLIERS = 0.02, 0.3
"""Outlier fractions of the local Gaussians; static regions have more varied colours."""

AGAINST, IN_FAVOUR = 5.0, 1.0
"""Largest evidence of a colour against motion and in favour of it, in logits."""

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


def moving_threshold(caution: float) -> float:
    """Probability above which a pixel moves, ``min(0.5 + 0.5 caution, 0.98)``.

    A threshold t minimises the expected cost if animating a static pixel costs t / (1 - t) times as
    much as leaving a moving pixel static.

    Args:
        caution: In [0, 1].

    Raises:
        InputError: If it is no number in [0, 1].
    """
    is_number = isinstance(caution, int | float) and not isinstance(caution, bool)
    if not is_number or not math.isfinite(caution) or not 0.0 <= caution <= 1.0:
        raise InputError(f"mask_caution must be a number in [0, 1], got {caution}")
    return min(0.5 + 0.5 * caution, 0.98)


@torch.no_grad()
def matte(
    probability: Tensor,
    photo: Tensor,
    *,
    water: Tensor | None = None,
    caution: float = CAUTION,
    radius: float = 0.004,
    epsilon: float = 1e-3,
    margin: float = 0.003,
    edge_width: float = 0.003,
    speck_area: float = 0.001,
    hole_area: float = 2e-5,
) -> Tensor:
    """Computes a mask whose soft edges follow thin objects such as branches, spires and masts.

    Each probability is updated by the pixel's colour (:func:`update_by_colour`), filtered with
    the photo as guide (He et al. 2015) in windows small enough for thin objects, and thresholded
    by expected cost (:func:`moving_threshold`). Static holes that are due to their colour alone,
    such as clouds and waves, are filled (:func:`supported_static_regions`). Thin extensions of
    large static regions need less evidence (:func:`thin_extensions`), and gaps between static
    regions and the photo's border are filled (:func:`border_gaps`).

    Lengths are fractions of the photo's longer side and areas fractions of its area, so the mask
    does not depend on the photo's size.

    Args:
        probability: Probabilities of the moving classes (sky, water), ``[1, K, h, w]`` in [0, 1],
            of any size; their sum is at most 1.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        water: Probability of water alone, ``[1, 1, h, w]``; static regions in it are also
            supported by a vivid colour (:func:`find_vivid`), and have their gaps filled.
        caution: 0 animates pixels that move more likely than not, 1 only certain ones; thin
            extensions are static at any caution.
        radius: Half the side of the filter's window.
        epsilon: Variance of the photo, in [0, 1]² units, below which a window counts as flat.
        margin: Width of the static margin around static objects, at least one pixel.
        edge_width: Width of the soft edge.
        speck_area: Moving islands below this area become static.
        hole_area: Static holes below this area move: they are noise.

    Returns:
        S, ``[1, 1, H, W]`` in [0, 1].

    Raises:
        InputError: If the probability or the photo has another shape, or the caution is out of
            range.
    """
    check_photo(photo)
    if probability.ndim != 4 or probability.shape[0] != 1 or probability.shape[1] == 0:
        raise InputError(f"a probability must be [1, K, h, w], got {list(probability.shape)}")
    threshold = moving_threshold(caution)
    picture = ((photo[0].float() + 1.0) / 2.0).permute(1, 2, 0).cpu().numpy()
    full_size = picture.shape[:2]
    longer = max(full_size)
    picture = np.ascontiguousarray(_shrink(picture, FULL_SIDE))
    prior = probability[0].float().cpu().numpy()
    updated = update_by_colour(prior, picture)
    guide = torch.from_numpy(picture).permute(2, 0, 1)[None]
    filtered = guided_filter(
        torch.from_numpy(updated)[None, None],
        guide,
        radius=radius,
        epsilon=epsilon,
        working_side=FULL_SIDE,
    )[0, 0].numpy()
    moves = filtered > threshold
    static_seeds = resize(prior.sum(axis=0), moves.shape) < 0.5
    wet = np.zeros_like(prior[0]) if water is None else water[0, 0].float().cpu().numpy()
    vivid = find_vivid(wet, picture)
    static = ~moves & supported_static_regions(moves, static_seeds, picture, vivid)
    static |= thin_extensions(static, filtered < DOUBTFUL)
    static |= border_gaps(static, wet, picture)
    filtered[~moves & ~static] = 1.0
    filtered[moves & static] = 0.0
    moves = resize(filtered, full_size) > threshold
    if margin > 0 and not moves.all():
        cv2 = load_opencv()
        distance = cv2.distanceTransform(moves.astype(np.uint8), cv2.DIST_L2, 5)
        moves = distance > max(margin * longer, 1.0)
    moves = remove_small(moves, speck_area)
    moves = ~remove_small(~moves, hole_area)
    width = edge_width * longer
    # The ramp lies on the moving side of the edge: static objects are static up to their outline.
    return soften(moves, width=width, grow=-0.5 * width).to(photo.device)


def update_by_colour(prior: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Updates probabilities of motion by the pixels' colours.

    Let m and s be the densities of a pixel's colour in the confidently moving and the confidently
    static pixels nearby (local Gaussians, as in Liba et al. 2020, *Sky Optimization*). The
    probability p of a class becomes q:

        logit q = logit p + clip(log m / s, -5, 1).

    A colour unlike the surrounding sky, dark or bright, is evidence against motion; a similar one
    is weak evidence for it, because a wall may be as grey as a cloud.

    Args:
        prior: Probabilities of the moving classes, ``[K, h, w]``, float32 in [0, 1].
        picture: ``[H, W, 3]``, float32 in [0, 1].

    Returns:
        Probability that a pixel moves, summed over the classes, ``[H, W]`` in [0, 1].
    """
    size = picture.shape[:2]
    small = _shrink(picture, MODEL_SIDE)
    total = resize(prior.sum(axis=0), small.shape[:2])
    updated = np.zeros(size, np.float32)
    for kind in prior:
        if kind.max() <= 0.5:
            continue
        evidence = _evidence(resize(kind, small.shape[:2]), total, small, picture)
        updated += _update(resize(kind, size), evidence)
    return np.minimum(updated, 1.0)


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
    small = _shrink(picture, MODEL_SIDE)
    mean = fit_colours(small, _core(resize(water, small.shape[:2]))).mean
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
    left, top, columns, rows, area = statistics.T
    supported = np.bincount(parts[static_seeds], minlength=count) > 0
    at_border = (left == 0) | (top == 0) | (left + columns == width) | (top + rows == height)
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
    small = _shrink(picture, MODEL_SIDE)
    sides = small.shape[:2]
    share = resize(static.astype(np.float32), sides)
    inside = resize((~band).astype(np.float32), sides)
    core = _core(resize(water, sides) * (1.0 - share)) * inside
    if not core.any() or not static.any():
        return np.zeros_like(static)
    cv2 = load_opencv()
    still = fit_colours(small, _certain(share, 1))
    evidence = _log_ratio(fit_colours(small, core), still, _shrink(picture, GAP_SIDE))
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


def _evidence(
    kind: np.ndarray, total: np.ndarray, small: np.ndarray, picture: np.ndarray
) -> np.ndarray:
    """Log ratio of a colour's densities in the moving and the static region, ``[H, W]``."""
    static_weights = _certain(1.0 - total, 1)
    # Refitted with less weight for outliers, such as a wire that the prior missed.
    moving = fit_colours(small, _core(kind))
    moving = fit_colours(small, _core(kind) / (1.0 + (moving.squared_distance(small) / 9.0) ** 2))
    static = fit_colours(small, static_weights)
    # Refitted with the updated probabilities: the prior may take half of a railing for water.
    other_kinds = np.clip(total - kind, 0.0, 1.0)
    updated = _update(kind, _log_ratio(moving, static, small))
    moving = fit_colours(small, _core(updated))
    static = fit_colours(small, _certain(1.0 - updated, 1) * (1.0 - other_kinds))
    return _log_ratio(moving, static, picture)


def _log_ratio(moving: ColourModel, static: ColourModel, picture: np.ndarray) -> np.ndarray:
    return moving.log_density(picture, MOVING_OUTLIERS) - static.log_density(
        picture, STATIC_OUTLIERS
    )


def _update(probability: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    probability = np.clip(probability, 1e-3, 1.0 - 1e-3)
    logit = np.log(probability / (1.0 - probability)) + np.clip(evidence, -AGAINST, IN_FAVOUR)
    return (1.0 / (1.0 + np.exp(-logit))).astype(np.float32)


def _certain(probability: np.ndarray, power: int) -> np.ndarray:
    """Weight of a pixel in its region's colours."""
    return np.clip(2.0 * probability - 1.0, 0.0, 1.0) ** power


def _core(probability: np.ndarray) -> np.ndarray:
    """Weight of confidently moving pixels, eroded by one pixel, as colours mix at edges."""
    return load_opencv().erode(_certain(probability, 8), np.ones((3, 3), np.uint8))


def _shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """Downsamples a picture to a longer side; never enlarges."""
    return resize(picture, limited_size(picture.shape[:2], side))
