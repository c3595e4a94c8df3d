"""From a raw motion to one that can be animated (Sec. 3.3)."""

import numpy as np
import torch
from torch import Tensor

from stylecinegan.io import load_opencv
from stylecinegan.motion.regions import Regions, find_regions, perspective

EDGE_WIDTH = 0.08
"""Width of the rim in which motion comes to rest, as a share of the picture's longer side …"""

RIM_SHARE = 0.3
"""… and at most this share of the way to the middle of its region, so that narrow rivers move.

On real clips the end-point error falls with both.
"""

OUTLIER = 3.0
"""Times the usual deviation from the neighbours that a vector may have."""

EVEN_SHARE = 0.05
"""By how much a speed may differ from its region's middle speed, as a share, before that counts.

Chosen on real training clips: twice as much begins to cost rank correlation there.
"""

HORIZON_WIDTH = 0.02
"""Way from the speed of water to that of a sky behind it, as a share of the longer side: a boat on
the horizon bends rather than breaks."""


def refine_motion(
    motion: Tensor,
    mask: Tensor,
    probabilities: Tensor | None = None,
    *,
    edge_width: float = EDGE_WIDTH,
) -> Tensor:
    """Makes speeds plausible, lets them fall off at the mask's edge and multiplies by S.

    Args:
        motion: M, ``[1, 2, H, W]``.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        probabilities: Of static, sky and water, ``[1, 3, h, w]``, for a motion that does not know
            perspective itself; by default water keeps its speeds.
        edge_width: Share of the longer side; 0 leaves the edge to S.

    Returns:
        ``[1, 2, H, W]``.
    """
    motion = remove_outliers(motion, mask)
    if bool((mask > 0.5).any()):
        classes = None if probabilities is None else probabilities.argmax(dim=1, keepdim=True)
        regions = find_regions(mask, classes)
        motion = slow_far_water(even_out(motion, regions), regions)
    return motion * fall_off(mask, edge_width) * mask


def even_out(motion: Tensor, regions: Regions, share: float = EVEN_SHARE) -> Tensor:
    """Brings speeds closer to the middle speed of their region, those near it all the way.

    A prediction does not know a few hundredths of speed, but over a loop they shear a cloud.

    Args:
        motion: ``[1, 2, H, W]``.
        regions: Of this map.
        share: Speeds are divided or multiplied by at most 1 + this.

    Returns:
        ``[1, 2, H, W]``.
    """
    speed = motion[0].norm(dim=0)
    middle = torch.ones_like(speed)
    for number in range(len(regions.kinds)):
        region = regions.number == number
        middle = torch.where(region, speed[region & regions.moves].median(), middle)
    factor = (middle / speed.clamp(min=1e-9)).clamp(1.0 / (1.0 + share), 1.0 + share)
    return motion * factor


def slow_far_water(motion: Tensor, regions: Regions) -> Tensor:
    """Slows water down towards its horizon, as perspective does; the sky keeps its speeds.

    Of skies there are real clips enough for a network to learn it, of water there are not.

    Args:
        motion: ``[1, 2, H, W]``.
        regions: Of this map.

    Returns:
        ``[1, 2, H, W]``.
    """
    if "water" not in regions.kinds:
        return motion
    cv2 = load_opencv()
    is_water = torch.tensor([kind == "water" for kind in regions.kinds], device=motion.device)
    speed = perspective(regions)[0, 0]
    speed = torch.where(is_water[regions.number], speed, torch.ones_like(speed))
    width = 2 * round(0.5 * HORIZON_WIDTH * max(speed.shape)) + 1
    soft = cv2.blur(speed.cpu().numpy(), (width, width), borderType=cv2.BORDER_REPLICATE)
    return motion * torch.from_numpy(soft).to(motion)


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
