"""Brush strokes that snap to the thing they were painted over."""

import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io import load_opencv
from stylecinegan.mask.colour_models import fit_colours, resize
from stylecinegan.mask.guided_filter import guided_filter

WORKING_SIDE = 384
"""Longer side, of the part around the stroke, at which colours are collected."""

ROUNDS = 4
"""Of expectation maximisation."""

OUTLIERS = 0.02
"""Share of the colours around a stroke that their Gaussians do not explain."""

LEAST_SHARE = 0.03
"""Share of a stroke below which it was painted over nothing in particular."""


@torch.no_grad()
def snap_stroke(
    photo: Tensor,
    stroke: Tensor,
    *,
    reach: float = 0.01,
    radius: float = 0.003,
    epsilon: float = 1e-3,
) -> Tensor:
    """Turns a rough stroke into the thing under it: the whole branch and none of the sky.

    The colours in the stroke are taken for a mixture of the thing's and of the surroundings',
    ``π F + (1 - π) R``. R is known from a ring around the stroke; F and π are found by expectation
    maximisation. Both are Gaussians that change from place to place
    (:mod:`~stylecinegan.mask.colour_models`). Where nothing differs from the surroundings, as in
    the middle of a sky, the stroke stays as it was painted.

    Args:
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        stroke: 1 where it was painted, ``[1, 1, H, W]`` in [0, 1].
        reach: How far the thing may reach beyond the stroke, as a share of the longer side. The
            ring begins there and is twice as wide.
        radius: Half the window of the filter that finds the thing's edges, as a share of it.
        epsilon: Variance of the photo, in [0, 1]² units, below which such a window counts as flat.

    Returns:
        The stroke, snapped, ``[1, 1, H, W]`` in [0, 1].

    Raises:
        InputError: If the shapes are no photo and stroke of one size.
    """
    if photo.ndim != 4 or photo.shape[:2] != (1, 3):
        raise InputError(f"a photo must be [1, 3, H, W], got {list(photo.shape)}")
    wanted = [1, 1, *photo.shape[2:]]
    if list(stroke.shape) != wanted:
        raise InputError(f"a stroke must be {wanted} as the photo, got {list(stroke.shape)}")
    cv2 = load_opencv()
    painted = stroke[0, 0].float().cpu().numpy()
    longer = max(painted.shape)
    near = _dilate(painted, max(1.0, reach * longer))
    ring = _dilate(painted, max(2.0, 3.0 * reach * longer)) > 0.5
    if not ring.any():
        return stroke.clone()
    left, top, width, height = cv2.boundingRect(ring.astype(np.uint8))
    part = (slice(top, top + height), slice(left, left + width))
    guide = ((photo[:, :, part[0], part[1]].float() + 1.0) / 2.0).cpu()
    picture = np.ascontiguousarray(guide[0].permute(1, 2, 0).numpy())
    found = _find(picture, painted[part], near[part], ring[part])
    if found is None:
        return stroke.clone()
    alpha = guided_filter(
        torch.from_numpy(found)[None, None],
        guide,
        radius=radius * longer / max(height, width),
        epsilon=epsilon,
        working_side=max(height, width),
    )[0, 0].numpy()
    alpha = np.clip(2.0 * alpha - 0.5, 0.0, 1.0)
    snapped = torch.zeros_like(stroke)
    alpha = _touching(alpha, painted[part]) * near[part]
    snapped[0, 0, part[0], part[1]] = torch.from_numpy(alpha).to(snapped)
    return snapped


def _find(
    picture: np.ndarray, painted: np.ndarray, near: np.ndarray, ring: np.ndarray
) -> np.ndarray | None:
    """Probability that a pixel near the stroke is of the thing under it, ``[h, w]``.

    None where the stroke holds nothing that differs from its surroundings.
    """
    height, width = painted.shape
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = resize(picture, size)
    inside = resize(painted, size)
    outside = resize((ring & (near < 0.5)).astype(np.float32), size)
    if outside.sum() < 1.0:  # the stroke covers the photo
        return None
    around = fit_colours(small, outside)
    for _ in range(ROUNDS):
        # Without what is rare there: other branches of the same tree.
        unlike = around.squared_distance(small) / 9.0
        around = fit_colours(small, outside / (1.0 + unlike * unlike))
    share = 0.5
    # At first, what the ring does not explain: its noise is within three deviations.
    belongs = 1.0 - np.exp(-np.maximum(around.squared_distance(small) - 9.0, 0.0) / 9.0)
    if (belongs * inside).sum() < LEAST_SHARE * inside.sum():
        return None
    for _ in range(ROUNDS):
        thing = fit_colours(small, (belongs * inside).astype(np.float32))
        belongs = _posterior(thing, around, small, share)
        share = float(np.clip((belongs * inside).sum() / inside.sum(), 0.05, 0.95))
    if share < LEAST_SHARE:
        return None
    return (_posterior(thing, around, picture, share) * (near > 0.0)).astype(np.float32)


def _posterior(thing, around, picture: np.ndarray, share: float) -> np.ndarray:
    ratio = thing.log_density(picture, OUTLIERS) - around.log_density(picture, OUTLIERS)
    logit = np.log(share / (1.0 - share)) + np.clip(ratio, -20.0, 20.0)
    return 1.0 / (1.0 + np.exp(-logit))


def _touching(alpha: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Only the parts that the stroke touches."""
    cv2 = load_opencv()
    count, parts = cv2.connectedComponents((alpha > 0.1).astype(np.uint8), connectivity=8)
    touched = np.bincount(parts[painted > 0.5], minlength=count) > 0
    return alpha * touched[parts]


def _dilate(values: np.ndarray, radius: float) -> np.ndarray:
    cv2 = load_opencv()
    side = 2 * round(radius) + 1
    return cv2.dilate(values, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
