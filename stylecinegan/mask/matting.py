"""Matting: from a coarse probability of motion to a soft mask at the photo's size."""

import math

import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.inputs import check_photo
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
from stylecinegan.mask.guided_filter import guided_filter
from stylecinegan.mask.refinement import remove_small, soften
from stylecinegan.mask.static_regions import (
    DOUBTFUL,
    border_gaps,
    doubtful_islands,
    find_objects,
    find_vivid,
    supported_static_regions,
    thin_extensions,
)
from stylecinegan.mask.sun_and_moon import find_discs

CAUTION = 0.7
"""Default of ``caution``, measured on photos of towns (docs/experiments/masks.md)."""

FULL_SIDE = 1024
"""Longer side at which probabilities are updated by colour; wires must be resolved."""

AGAINST, IN_FAVOUR = 5.0, 1.0
"""Largest evidence of a colour against motion and in favour of it, in logits."""


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
    evidence: Tensor | None = None,
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
    such as clouds and waves, are filled (:func:`supported_static_regions`), but not those of
    objects such as rocks (:func:`find_objects`). Thin extensions of large static regions need less
    evidence (:func:`thin_extensions`), gaps between static regions and the photo's border are
    filled (:func:`border_gaps`), the sun, the moon and their reflections are static
    (:func:`find_discs`), and doubtful islands of motion are removed (:func:`doubtful_islands`).

    Lengths are fractions of the photo's longer side and areas fractions of its area, so the mask
    does not depend on the photo's size.

    Args:
        probability: Probabilities of the moving classes (sky, water), ``[1, K, h, w]`` in [0, 1],
            of any size; their sum is at most 1.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        water: Probability of water alone, ``[1, 1, h, w]``; static regions in it are also
            supported by a vivid colour (:func:`find_vivid`), and have their gaps filled.
        evidence: Evidence for the moving classes in logits, ``[1, K, h, w]``, by which objects
            amid sky and water are found.
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
        InputError: If the probability, the evidence or the photo has another shape, or the caution
            is out of range.
    """
    check_photo(photo)
    if probability.ndim != 4 or probability.shape[0] != 1 or probability.shape[1] == 0:
        raise InputError(f"a probability must be [1, K, h, w], got {list(probability.shape)}")
    if evidence is not None and evidence.shape[:2] != probability.shape[:2]:
        raise InputError(
            f"evidence must have the classes of the probability, {probability.shape[1]}"
        )
    threshold = moving_threshold(caution)
    picture = ((photo[0].float() + 1.0) / 2.0).permute(1, 2, 0).cpu().numpy()
    full_size = picture.shape[:2]
    longer = max(full_size)
    picture = np.ascontiguousarray(shrink(picture, FULL_SIDE))
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
    prior_water = np.zeros_like(prior[0]) if water is None else water[0, 0].float().cpu().numpy()
    vivid = find_vivid(prior_water, picture)
    static = ~moves & supported_static_regions(moves, static_seeds, picture, vivid)
    if evidence is not None:
        for kind, values in zip(prior, evidence[0].float().cpu().numpy(), strict=True):
            of_kind = moves & (resize(kind, moves.shape) > 0.5)
            static |= find_objects(~moves & ~static, of_kind, values)
    static |= thin_extensions(static, filtered < DOUBTFUL)
    static |= border_gaps(static, prior_water, picture)
    static |= find_discs(~static_seeds, picture)
    filtered[~moves & ~static] = 1.0
    filtered[moves & static] = 0.0
    moves = resize(filtered, full_size) > threshold
    if margin > 0 and not moves.all():
        cv2 = load_opencv()
        distance = cv2.distanceTransform(moves.astype(np.uint8), cv2.DIST_L2, 5)
        moves = distance > max(margin * longer, 1.0)
    moves &= ~doubtful_islands(moves, resize(prior.sum(axis=0), full_size))
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
    small = shrink(picture, MODEL_SIDE)
    total = resize(prior.sum(axis=0), small.shape[:2])
    updated = np.zeros(size, np.float32)
    for kind in prior:
        if kind.max() <= 0.5:
            continue
        evidence = _colour_evidence(resize(kind, small.shape[:2]), total, small, picture)
        updated += _update(resize(kind, size), evidence)
    return np.minimum(updated, 1.0)


def _colour_evidence(
    kind: np.ndarray, total: np.ndarray, small: np.ndarray, picture: np.ndarray
) -> np.ndarray:
    """Log ratio of a colour's densities in the moving and the static region, ``[H, W]``."""
    static_weights = certainty(1.0 - total, 1)
    # Refitted with less weight for outliers, such as a wire that the prior missed.
    moving = fit_colours(small, core_weights(kind))
    moving = fit_colours(
        small, core_weights(kind) / (1.0 + (moving.squared_distance(small) / 9.0) ** 2)
    )
    static = fit_colours(small, static_weights)
    # Refitted with the updated probabilities: the prior may take half of a railing for water.
    other_kinds = np.clip(total - kind, 0.0, 1.0)
    updated = _update(kind, log_ratio(moving, static, small))
    moving = fit_colours(small, core_weights(updated))
    static = fit_colours(small, certainty(1.0 - updated, 1) * (1.0 - other_kinds))
    return log_ratio(moving, static, picture)


def _update(probability: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    probability = np.clip(probability, 1e-3, 1.0 - 1e-3)
    logit = np.log(probability / (1.0 - probability)) + np.clip(evidence, -AGAINST, IN_FAVOUR)
    return (1.0 / (1.0 + np.exp(-logit))).astype(np.float32)
