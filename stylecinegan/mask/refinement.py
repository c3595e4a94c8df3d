"""Refinement of per-pixel probabilities to a mask aligned with the photo's edges.

The paper defers this step to its supplement. :func:`refine_as_released` is that of the released
code, which ignores the photo, fills large holes and animates the whole picture if the mask is
small.
"""

import logging

import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.framing import limited_size
from stylecinegan.inputs import check_photo
from stylecinegan.io import load_opencv
from stylecinegan.mask.guided_filter import guided_filter

logger = logging.getLogger(__name__)

SMALL_SHARE = 0.1
"""Fraction of the picture below which a mask counts as small."""

THIN_SIDE = 512
"""Longer side, in pixels, of the photo that thin objects are detected in."""


def refine(
    probability: Tensor,
    photo: Tensor,
    *,
    radius: float = 0.03,
    epsilon: float = 2e-3,
    edge_width: float = 0.006,
    speck_area: float = 0.002,
    hole_area: float = 0.0005,
    thin_width: float = 0.012,
    thin_contrast: float = 0.2,
    certainty: float = 0.7,
    doubtful_width: float = 0.02,
    grow: float = 0.0,
) -> Tensor:
    """Aligns a mask with the photo's edges and softens it.

    Lengths are fractions of the photo's longer side and areas fractions of its area, so the mask
    does not depend on the photo's size.

    Args:
        probability: Probability that a pixel moves, ``[1, 1, h, w]`` in [0, 1], of any size.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        radius: Radius of the guided filter: how far edges move to align with the photo.
        epsilon: Regularisation of the guided filter, as a variance of values in [0, 1].
        edge_width: Width of the soft edge.
        speck_area: Moving components below this area become static.
        hole_area: Static components below this area become moving; larger ones are boats or rocks,
            smaller ones noise.
        thin_width: Largest width of dark objects, connected to a static region, that become static
            too (masts, branches); 0 switches the detection off.
        thin_contrast: Least difference of such an object to its background, in [0, 1].
        certainty: Probability above which a pixel moves within ``doubtful_width`` of a static
            region; elsewhere the threshold is 0.5. A static strip of sky goes unnoticed, a moving
            ridge does not.
        doubtful_width: Distance from static regions within which ``certainty`` applies.
        grow: Distance by which the edge is moved outwards; inwards if negative.

    Returns:
        S, ``[1, 1, H, W]`` in [0, 1].

    Raises:
        InputError: If the probability or the photo has another shape.
    """
    _check(probability, photo)
    longer = max(photo.shape[2:])
    mask = guided_filter(
        probability, (photo.float() + 1.0) / 2.0, radius=radius, epsilon=epsilon
    ).clamp_(0.0, 1.0)
    moves = _decide(mask[0, 0].cpu().numpy(), certainty, doubtful_width * longer)
    if thin_width > 0:
        moves &= ~_thin_objects(photo, ~moves, thin_width, thin_contrast)
    moves = remove_small(moves, speck_area)
    moves = ~remove_small(~moves, hole_area)
    return soften(moves, width=edge_width * longer, grow=grow * longer).to(photo.device)


def refine_as_released(mask: Tensor, *, animate_all_if_small: bool = True) -> Tensor:
    """Refines a hard mask as the authors' released code does.

    Args:
        mask: Vote of the ensemble, ``[1, 1, H, W]``, 0 or 1; 512x512 in the release.
        animate_all_if_small: All ones where the mask covers under 10 % of the picture.

    Returns:
        ``[1, 1, H, W]``, 0 or 1.
    """
    cv2 = load_opencv()
    moves = (mask[0, 0] > 0.5).to(torch.uint8).cpu().numpy()
    moves = cv2.dilate(moves, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (4, 4)), iterations=1)
    moves = cv2.erode(moves, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)), iterations=2)
    filled = ~remove_small(moves == 0, SMALL_SHARE)
    filled = remove_small(filled, SMALL_SHARE)
    if animate_all_if_small and filled.mean() < SMALL_SHARE:
        filled[:] = True
    return torch.from_numpy(filled.astype(np.float32))[None, None].to(mask.device)


def check_cover(mask: Tensor, *, animate_all_if_small: bool = False) -> Tensor:
    """Checks that a mask covers enough of the picture.

    Differs from the released code, which animates the whole picture if the mask covers less than
    10 % of it: a narrow river is a valid mask, so a warning is logged instead.

    Args:
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        animate_all_if_small: Follows the released code.

    Returns:
        The mask, or all ones.

    Raises:
        InputError: If the mask is empty.
    """
    share = (mask > 0.5).float().mean().item()
    if share >= SMALL_SHARE:
        return mask
    if animate_all_if_small:
        return torch.ones_like(mask)
    if share == 0.0:
        raise InputError(
            "found neither sky nor water in the photo that could move: paint a mask, "
            "white where it shall move, and give it as mask=FILE"
        )
    logger.warning(
        "the mask covers only %.1f %% of the photo; if more should move, add to it by hand",
        100.0 * share,
    )
    return mask


def remove_small(region: np.ndarray, area: float) -> np.ndarray:
    """Removes the connected components of a region that are smaller than an area.

    Args:
        region: Boolean, ``[H, W]``.
        area: As a fraction of the picture, in [0, 1].

    Returns:
        Boolean, ``[H, W]``.
    """
    cv2 = load_opencv()
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(
        region.astype(np.uint8), connectivity=4
    )
    keeps = statistics[:, cv2.CC_STAT_AREA] >= area * region.size
    keeps[0] = False  # the background
    return keeps[parts]


def soften(moves: np.ndarray, *, width: float, grow: float = 0.0) -> Tensor:
    """Softens a binary mask by a linear ramp across its edge.

    Args:
        moves: Boolean, ``[H, W]``.
        width: Width of the ramp in pixels, centred on the edge.
        grow: Pixels by which the edge moves outwards.

    Returns:
        ``[1, 1, H, W]`` in [0, 1].
    """
    cv2 = load_opencv()
    inside = moves.astype(np.uint8)
    # Distances are to the nearest pixel centre across the edge, which lies half a pixel before it.
    distance = np.zeros(moves.shape, np.float32)
    if 0 < inside.mean() < 1:
        distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
        distance -= cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
        distance -= 0.5 * np.sign(distance)
        ramp = (distance + grow) / max(width, 1e-6) + 0.5
    else:
        ramp = inside.astype(np.float32)
    return torch.from_numpy(np.clip(ramp, 0.0, 1.0).astype(np.float32))[None, None]


def _decide(probability: np.ndarray, certainty: float, width: float) -> np.ndarray:
    """Thresholds a probability, higher near static regions; boolean ``[H, W]``, width in pixels."""
    moves = probability > 0.5
    if moves.all():
        return moves
    cv2 = load_opencv()
    distance = cv2.distanceTransform(moves.astype(np.uint8), cv2.DIST_L2, 5)
    return moves & ((probability > certainty) | (distance > width))


def _thin_objects(
    photo: Tensor, static: np.ndarray, thin_width: float, thin_contrast: float
) -> np.ndarray:
    """Detects thin dark objects that are connected to a static region, boolean ``[H, W]``."""
    cv2 = load_opencv()
    height, width = static.shape
    size = limited_size((height, width), THIN_SIDE)[::-1]  # OpenCV's order
    grey = ((photo[0].float().mean(dim=0) + 1.0) / 2.0).cpu().numpy()
    grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    is_static = cv2.resize(static.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
    side = 2 * max(1, round(thin_width * max(size) / 2)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    dark = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, kernel) - grey
    stands_out = dark > thin_contrast
    # Not dark waves and rims of clouds, which are not connected to a static region.
    _, parts = cv2.connectedComponents((stands_out | is_static).astype(np.uint8), connectivity=8)
    joined = np.isin(parts, np.unique(parts[is_static])) & stands_out & ~is_static
    found = cv2.resize(joined.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return found > 0


def _check(probability: Tensor, photo: Tensor) -> None:
    check_photo(photo)
    if probability.ndim != 4 or probability.shape[:2] != (1, 1):
        raise InputError(f"a probability must be [1, 1, h, w], got {list(probability.shape)}")
