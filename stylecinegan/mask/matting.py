"""From a coarse probability of motion to a soft mask at the photo's size."""

import math

import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io import load_opencv
from stylecinegan.mask.colour_models import ColourModel, fit_colours, resize
from stylecinegan.mask.guided_filter import guided_filter
from stylecinegan.mask.refinement import remove_small, soften

CAUTION = 0.7
"""Default of ``caution``, measured on photos of towns (docs/experiments/masks.md)."""

FULL_SIDE = 1024
"""Longer side at which pixels are weighed by their colours: wires must be seen."""

MODEL_SIDE = 192
"""Longer side at which colours are collected."""

MOVING_OUTLIERS, STATIC_OUTLIERS = 0.02, 0.3
"""Shares of colours that the local Gaussians do not explain; static places are more varied."""

AGAINST, IN_FAVOUR = 5.0, 1.0
"""Most that a colour counts against motion and in favour of it, in logits."""

BORDER_AREA = 5e-4
"""Share of the photo from which on a thing that enters from the border counts as static."""

SHARP_EDGE = 0.15
"""Mean contrast along the outline of a static thing, of [0, 1]: clouds have less."""


def moving_threshold(caution: float) -> float:
    """Probability from which on a pixel moves: ``0.5 + 0.5 caution``, at most 0.98.

    A decision at threshold t is that of least expected cost where a static pixel that moves costs
    t / (1 - t) times a moving one that is static.

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
    caution: float = CAUTION,
    radius: float = 0.004,
    epsilon: float = 1e-3,
    margin: float = 0.003,
    edge_width: float = 0.003,
    speck_area: float = 0.001,
    hole_area: float = 2e-5,
) -> Tensor:
    """Makes a mask whose soft edges follow branches, spires and masts, bright or dark.

    Each probability is updated by the pixel's colour (:func:`update_by_colour`), filtered with
    the photo as guide (He et al. 2015) in windows small enough for thin things, and decided by
    cost (:func:`moving_threshold`). Static holes that only their colour suggests, such as clouds
    and waves, move again (:func:`supported_static_regions`).

    Every length is a share of the photo's longer side and every area one of the photo's, so that
    a photo gets the same mask at any size.

    Args:
        probability: Probability that a pixel moves, of each kind of what moves (sky, water),
            ``[1, K, h, w]`` in [0, 1], of any size; they add to at most 1.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        caution: 0 moves what more likely moves than not, 1 only what is certain to.
        radius: Half the side of the filter's window.
        epsilon: Variance of the photo, in [0, 1]² units, below which a window counts as flat.
        margin: Width of what is static around static things.
        edge_width: Width of the soft edge.
        speck_area: Moving islands below this area become static.
        hole_area: Static holes below this area move: they are noise.

    Returns:
        S, ``[1, 1, H, W]`` in [0, 1].

    Raises:
        InputError: If the shapes are no probability and photo, or the caution is out of range.
    """
    if photo.ndim != 4 or photo.shape[:2] != (1, 3):
        raise InputError(f"a photo must be [1, 3, H, W], got {list(photo.shape)}")
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
    moves_again = ~moves & ~supported_static_regions(moves, static_seeds, picture)
    filtered[moves_again] = 1.0
    moves = resize(filtered, full_size) > threshold
    if margin > 0 and not moves.all():
        cv2 = load_opencv()
        distance = cv2.distanceTransform(moves.astype(np.uint8), cv2.DIST_L2, 5)
        moves = distance > margin * longer
    moves = remove_small(moves, speck_area)
    moves = ~remove_small(~moves, hole_area)
    width = edge_width * longer
    # The ramp lies inside the moving side: what is static is so up to its very edge.
    return soften(moves, width=width, grow=-0.5 * width).to(photo.device)


def update_by_colour(prior: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Updates probabilities of motion by the pixels' colours.

    With m the density of a pixel's colour among what surely moves nearby and s that among what is
    surely static (local Gaussians, as in Liba et al. 2020, *Sky Optimization*), a kind's
    probability p becomes

        logit q = logit p + clip(log m / s, -5, 1).

    A colour unlike the surrounding sky, dark or bright, speaks against motion; one alike is
    little evidence for it, because a wall may be as grey as a cloud.

    Args:
        prior: Probability of each kind of what moves, ``[K, h, w]``, float32 in [0, 1].
        picture: ``[H, W, 3]``, float32 in [0, 1].

    Returns:
        Probability that a pixel moves, of whatever kind, ``[H, W]`` in [0, 1].
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


def supported_static_regions(
    moves: np.ndarray, static_seeds: np.ndarray, picture: np.ndarray
) -> np.ndarray:
    """Finds the static regions that more than their colour supports.

    A static region is supported if it holds a seed, or if it is large, enters from the photo's
    border and has a sharp outline, as a railing in front of a river.

    Args:
        moves: Boolean, ``[H, W]``.
        static_seeds: Where motion was unlikely before the colours were looked at, ``[H, W]``.
        picture: ``[H, W, 3]``, float32 in [0, 1].

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
    supported[0] = False  # what moves
    return supported[parts]


def _evidence(
    kind: np.ndarray, total: np.ndarray, small: np.ndarray, picture: np.ndarray
) -> np.ndarray:
    """Log ratio of the colours' densities among what moves and what is static, ``[H, W]``."""
    static_weights = _certain(1.0 - total, 1)
    # Without those that look otherwise: a wire that the prior missed is no sky.
    moving = fit_colours(small, _core(kind))
    moving = fit_colours(small, _core(kind) / (1.0 + (moving.squared_distance(small) / 9.0) ** 2))
    static = fit_colours(small, static_weights)
    # Once more, with what the colours say: a wide railing is taken for water by half.
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
    """Weight of what moves for certain, a pixel away from its edges, whose colours are mixed."""
    return load_opencv().erode(_certain(probability, 8), np.ones((3, 3), np.uint8))


def _shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """Shrinks a picture to a longer side, or leaves it."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    return resize(picture, (max(1, round(height * scale)), max(1, round(width * scale))))
