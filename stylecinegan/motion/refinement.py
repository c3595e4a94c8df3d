"""From a raw motion to one that can be animated (Sec. 3.3)."""

import numpy as np
import torch
from torch import Tensor

from stylecinegan.io import load_opencv

EDGE_WIDTH = 0.08
"""Width of the rim in which motion comes to rest, as a share of the picture's longer side …"""

RIM_SHARE = 0.3
"""… and at most this share of the way to the middle of its region, so that narrow rivers move.

On real clips the end-point error falls with both.
"""

OUTLIER = 3.0
"""Times the usual deviation from the neighbours that a vector may have."""


def refine_motion(motion: Tensor, mask: Tensor, *, edge_width: float = EDGE_WIDTH) -> Tensor:
    """Removes outliers, lets the motion fall off at the mask's edge and multiplies it by S.

    Args:
        motion: M, ``[1, 2, H, W]``.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        edge_width: Share of the longer side; 0 leaves the edge to S.

    Returns:
        ``[1, 2, H, W]``.
    """
    return remove_outliers(motion, mask) * fall_off(mask, edge_width) * mask


def remove_outliers(motion: Tensor, mask: Tensor) -> Tensor:
    """Replaces vectors that differ from all around them by the median there.

    Args:
        motion: ``[1, 2, H, W]``.
        mask: ``[1, 1, H, W]``; what is usual is measured where it exceeds a half.

    Returns:
        ``[1, 2, H, W]``.
    """
    cv2 = load_opencv()
    field = motion[0].detach().float().cpu().numpy()
    inside = (mask[0, 0] > 0.5).cpu().numpy()
    if not inside.any():
        return motion
    median = np.stack([cv2.medianBlur(np.ascontiguousarray(part), 5) for part in field])
    deviation = np.linalg.norm(field - median, axis=0)
    usual = deviation[inside].mean()
    speed = np.linalg.norm(median, axis=0)[inside].max()
    # The share of the speed keeps a smooth field, whose usual deviation is nothing, as it is.
    is_outlier = deviation > OUTLIER * usual + 0.02 * speed
    result = np.where(is_outlier, median, field)
    return torch.from_numpy(result)[None].to(motion)


def fall_off(mask: Tensor, edge_width: float = EDGE_WIDTH) -> Tensor:
    """Weight that rises smoothly from 0 at the mask's edge to 1 inside.

    The picture's border is no edge: what moves there moves on beyond it.

    Args:
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        edge_width: Width of the ramp as a share of the longer side; in a narrow region it is
            :data:`RIM_SHARE` of the way to the middle.

    Returns:
        ``[1, 1, H, W]`` in [0, 1].
    """
    cv2 = load_opencv()
    inside = (mask[0, 0] > 0.0).cpu().numpy().astype(np.uint8)
    if inside.all() or edge_width <= 0:
        return torch.ones_like(mask)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    number, regions = cv2.connectedComponents(inside, connectivity=4)
    middle = np.zeros(number, np.float32)
    np.maximum.at(middle, regions.ravel(), distance.ravel())
    width = np.minimum(edge_width * max(inside.shape), RIM_SHARE * middle)[regions]
    ramp = np.clip(distance / np.maximum(width, 1e-6), 0.0, 1.0)
    smooth = ramp * ramp * (3.0 - 2.0 * ramp)
    return torch.from_numpy(smooth.astype(np.float32))[None, None].to(mask)
