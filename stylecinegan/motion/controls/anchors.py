"""Anchors: points and strokes without motion, with a smooth falloff."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io import load_opencv
from stylecinegan.motion.controls.paths import distance_to_path, parse_paths

ANCHOR_RADIUS = 0.08
"""Distance from an anchor at which motion is full, as a fraction of the longer side."""

HELD = 0.25
"""Fraction of that distance within which motion is 0."""

WANTED = "anchors must be points and strokes, [[x,y],[[x0,y0],[x1,y1]],...], or a mask"


def hold_anchors(
    motion: Tensor,
    anchors: Sequence[Any] | Tensor,
    photo_size: tuple[int, int] | None = None,
    *,
    radius: float = ANCHOR_RADIUS,
) -> Tensor:
    """Attenuates a motion around anchors, to 0 at them.

    Args:
        motion: ``[1, 2, H, W]``.
        anchors: Points ``[x, y]`` and strokes ``[[x0, y0], [x1, y1], …]``, in normalised
            coordinates if all numbers are in [0, 1], otherwise in pixels of the photo; or a mask
            ``[1, 1, H, W]``, above 0.5 in static regions.
        photo_size: (height, width) of the photo; by default that of the motion.
        radius: Distance from an anchor at which motion is full, as a fraction of the longer side.

    Returns:
        ``[1, 2, H, W]``.

    Raises:
        InputError: If the anchors or the radius are invalid.
    """
    size = (motion.shape[2], motion.shape[3])
    if not 0.0 < radius <= 1.0:
        raise InputError(f"anchor_radius must be a share of the longer side, in (0, 1]: {radius}")
    if isinstance(anchors, Tensor):
        if list(anchors.shape) != [1, 1, *size]:
            raise InputError(f"a mask of anchors must be {[1, 1, *size]}, got {[*anchors.shape]}")
        distances = [_distance_to_mask(anchors[0, 0] > 0.5).to(motion)]
    else:
        paths = parse_paths(anchors, size, photo_size, wanted=WANTED, fewest=1)
        distances = [distance_to_path(path, motion[0, 0]) for path in paths]
    weight = torch.ones_like(motion[0, 0])
    for distance in distances:
        ramp = (distance / (radius * max(size)) - HELD) / (1.0 - HELD)
        ramp = ramp.clamp(0.0, 1.0)
        weight = torch.minimum(weight, ramp * ramp * (3.0 - 2.0 * ramp))
    return motion * weight


def _distance_to_mask(held: Tensor) -> Tensor:
    cv2 = load_opencv()
    away = (~held).byte().cpu().numpy()
    if away.all():
        return torch.full(held.shape, float("inf"))
    return torch.from_numpy(cv2.distanceTransform(away, cv2.DIST_L2, 5))
