"""Refinement of a predicted motion (Sec. 3.3)."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.framing import limited_size
from stylecinegan.io import load_opencv
from stylecinegan.motion.currents import follow_shapes
from stylecinegan.motion.falls import Falls, set_falling_motion
from stylecinegan.motion.regions import Regions, find_regions, perspective
from stylecinegan.motion.vectors import lengths

EDGE_WIDTH = 0.08
"""Width of the ramp in which motion decreases to 0, as a fraction of the longer side.

The ramp lowers the end-point error on real clips.
"""

RIM_SHARE = 0.3
"""Largest width of the ramp, as a fraction of the distance from the edge to a region's middle.

It lets narrow rivers move, and lowers the end-point error on real clips too.
"""

OUTLIER = 3.0
"""Largest deviation of a vector from the local median, in mean deviations."""

SPEED_TOLERANCE = 0.05
"""Largest relative change of a speed towards the median of its region.

Chosen on real training clips, where twice as much lowers the rank correlation.
"""

LEAST_AGREEMENT = 0.7
"""Smallest |Σ M| / Σ |M| over a sky at which it gets one common direction."""

UPPER_SKY = 1 / 3
"""Fraction of the sky's height, from its top, whose median speed is the reference."""

SKY_HORIZON_SPEED = 0.5
"""Largest speed at the sky's lower end, as a fraction of the reference.

In real clips the lowest fifth moves at 0.2 of the speed of the uppermost, but a sky's lower end may
be a roof line far above the horizon.
"""

EXTRAPOLATION_SIDE = 256
EXTRAPOLATION_REACH = 0.05
"""Longer side of the map on which motion is extrapolated, and the reach as a fraction of it."""

HORIZON_WIDTH = 0.02
"""Width of the transition between the speeds of water and of the sky behind it, as a fraction of
the longer side, so that a boat on the horizon is sheared rather than torn."""


def refine_motion(
    motion: Tensor,
    mask: Tensor,
    probabilities: Tensor | None = None,
    *,
    falls: Falls | None = None,
    edge_width: float = EDGE_WIDTH,
) -> Tensor:
    """Regularises directions and speeds, slows motion down at edges and multiplies by S.

    Args:
        motion: M, ``[1, 2, H, W]``.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        probabilities: Probabilities of static, sky and water, ``[1, 3, h, w]``; by default water
            keeps its speeds and directions.
        falls: Falling water, by default none.
        edge_width: Width of the ramp as a fraction of the longer side; 0 for none.

    Returns:
        ``[1, 2, H, W]``.
    """
    motion = remove_outliers(motion, mask)
    if bool((mask > 0.5).any()):
        classes = None if probabilities is None else probabilities.argmax(dim=1, keepdim=True)
        regions = find_regions(mask, classes)
        if classes is not None:
            motion = extrapolate_motion(motion, mask, classes)
            motion = follow_shapes(align_sky(motion, regions), regions)
        motion = slow_distant_water(equalize_speeds(motion, regions), regions)
        motion = slow_distant_sky(motion, regions)
        if falls is not None:
            motion = set_falling_motion(motion, falls, regions)
    return motion * edge_ramp(mask, edge_width) * mask


def extrapolate_motion(motion: Tensor, mask: Tensor, classes: Tensor) -> Tensor:
    """Extrapolates motion to pixels of the mask that are classified as static.

    The network predicts no motion there, but the user painted them.

    Args:
        motion: ``[1, 2, H, W]``.
        mask: S, ``[1, 1, H, W]``.
        classes: 0 static, 1 sky, 2 water, ``[1, 1, h, w]``.

    Returns:
        ``[1, 2, H, W]``.
    """
    is_static = F.interpolate(classes.float(), mask.shape[2:], mode="nearest-exact") == 0
    painted = (mask > 0.5) & is_static
    known = (mask > 0.5) & ~is_static
    if not bool(painted.any()) or not bool(known.any()):
        return motion
    size = limited_size(mask.shape[2:], EXTRAPOLATION_SIDE)
    weighted = F.interpolate(torch.cat([motion, torch.ones_like(mask)], 1) * known, size=size)
    values = weighted[0].cpu().numpy()
    cv2 = load_opencv()
    blurred = [cv2.GaussianBlur(part, (0, 0), EXTRAPOLATION_REACH * max(size)) for part in values]
    # Far from any known motion, the mean is used.
    vectors = np.stack(blurred[:2]) + 1e-6 * values[:2].mean(axis=(1, 2), keepdims=True)
    share = blurred[2] + 1e-6 * values[2].mean()
    known_motion = torch.from_numpy(vectors / share)[None].to(motion)
    extrapolated = F.interpolate(known_motion, mask.shape[2:], mode="bilinear")
    return torch.where(painted, extrapolated, motion)


def align_sky(motion: Tensor, regions: Regions) -> Tensor:
    """Aligns the motion of the sky to its mean direction; speeds are kept.

    Args:
        motion: ``[1, 2, H, W]``.
        regions: Regions of this map.

    Returns:
        ``[1, 2, H, W]``.
    """
    is_sky = regions.sky
    inside = motion[0][:, is_sky & regions.moves]
    if inside.shape[1] == 0:
        return motion
    total = inside.sum(dim=1)
    # A sky without a common direction, for instance one that diverges towards the viewer, is kept.
    if float(total.norm() / torch.hypot(*inside).sum().clamp(min=1e-9)) < LEAST_AGREEMENT:
        return motion
    direction = (total / total.norm()).view(1, 2, 1, 1)
    return torch.where(is_sky, lengths(motion) * direction, motion)


def equalize_speeds(motion: Tensor, regions: Regions, tolerance: float = SPEED_TOLERANCE) -> Tensor:
    """Scales speeds towards the median of their region, by a limited factor.

    Predicted speeds are not accurate to a few per cent, and such differences shear clouds over a
    loop.

    Args:
        motion: ``[1, 2, H, W]``.
        regions: Regions of this map.
        tolerance: Largest relative change of a speed.

    Returns:
        ``[1, 2, H, W]``.
    """
    speed = lengths(motion)[0, 0]
    median = torch.ones_like(speed)
    for number in range(len(regions.kinds)):
        region = regions.number == number
        median = torch.where(region, speed[region & regions.moves].median(), median)
    factor = (median / speed.clamp(min=1e-9)).clamp(1.0 / (1.0 + tolerance), 1.0 + tolerance)
    return motion * factor


def slow_distant_sky(motion: Tensor, regions: Regions) -> Tensor:
    """Limits the sky's speed linearly from its top, down to half the reference at its lower end.

    All parts of a sky have one limit, so that a small one does not move faster than the others.

    Args:
        motion: ``[1, 2, H, W]``.
        regions: Regions of this map.

    Returns:
        ``[1, 2, H, W]``.
    """
    if "sky" not in regions.kinds:
        return motion
    is_sky = regions.sky & regions.moves
    rows = is_sky.any(dim=1).nonzero()
    top, bottom = int(rows.min()), int(rows.max())
    row = torch.arange(len(is_sky), device=is_sky.device)[:, None]
    depth = ((row - top) / max(bottom - top, 1)).clamp(0.0, 1.0)
    speed = lengths(motion)[0, 0]
    usual = speed[is_sky & (depth <= UPPER_SKY)].median()
    limit = usual * (1.0 - (1.0 - SKY_HORIZON_SPEED) * depth)
    factor = (limit / speed.clamp(min=1e-9)).clamp(max=1.0)
    return torch.where(regions.sky, motion * factor, motion)


def slow_distant_water(motion: Tensor, regions: Regions) -> Tensor:
    """Scales the speed of water down towards the horizon, by perspective.

    For skies the network learned perspective from real clips; for water there are too few.

    Args:
        motion: ``[1, 2, H, W]``.
        regions: Regions of this map.

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
    """Replaces outliers among the vectors by the local median.

    Args:
        motion: ``[1, 2, H, W]``.
        mask: ``[1, 1, H, W]``; the mean deviation is measured where it exceeds 0.5.

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
    # The term in the speed is for smooth fields, whose mean deviation is about 0.
    is_outlier = deviation > OUTLIER * usual + 0.02 * speed
    result = np.where(is_outlier, median, field)
    return torch.from_numpy(result)[None].to(motion)


def edge_ramp(mask: Tensor, edge_width: float = EDGE_WIDTH) -> Tensor:
    """Weight that rises smoothly from 0 at the mask's edge to 1 inside.

    The picture's border is not an edge: motion continues beyond it.

    Args:
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        edge_width: Width of the ramp as a fraction of the longer side; at most :data:`RIM_SHARE` of
            the distance to the middle of the region.

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
