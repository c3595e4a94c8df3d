"""From a raw motion to one that can be animated (Sec. 3.3)."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.io import load_opencv
from stylecinegan.motion.currents import follow_shapes
from stylecinegan.motion.falls import Falls, fall
from stylecinegan.motion.regions import Regions, find_regions, perspective
from stylecinegan.motion.vectors import lengths

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

LEAST_AGREEMENT = 0.7
"""Length of a sky's summed motion, as a share of its summed speeds, that makes it one wind."""

CARRY_SIDE = 256
CARRY_REACH = 0.05
"""Longer side of the map on which motion is carried on, and how far its neighbours count, as a
share of that."""

HORIZON_WIDTH = 0.02
"""Way from the speed of water to that of a sky behind it, as a share of the longer side: a boat on
the horizon bends rather than breaks."""


def refine_motion(
    motion: Tensor,
    mask: Tensor,
    probabilities: Tensor | None = None,
    *,
    falls: Falls | None = None,
    edge_width: float = EDGE_WIDTH,
) -> Tensor:
    """Makes directions and speeds plausible, slows the mask's edge down and multiplies by S.

    Args:
        motion: M, ``[1, 2, H, W]``.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        probabilities: Of static, sky and water, ``[1, 3, h, w]``, for a motion that does not know
            perspective itself; by default water keeps its speeds and directions.
        falls: Falling water, by default none.
        edge_width: Share of the longer side; 0 leaves the edge to S.

    Returns:
        ``[1, 2, H, W]``.
    """
    motion = remove_outliers(motion, mask)
    if bool((mask > 0.5).any()):
        classes = None if probabilities is None else probabilities.argmax(dim=1, keepdim=True)
        regions = find_regions(mask, classes)
        if classes is not None:
            motion = carry_on(motion, mask, classes)
            motion = follow_shapes(blow_one_way(motion, regions), regions)
        motion = slow_far_water(even_out(motion, regions), regions)
        if falls is not None:
            motion = fall(motion, falls, regions)
    return motion * fall_off(mask, edge_width) * mask


def carry_on(motion: Tensor, mask: Tensor, classes: Tensor) -> Tensor:
    """Lets what a mask says that moves go with what moves beside it, though classified as static.

    A network that takes something for a rock predicts no motion there; who painted it knows better.

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
    scale = min(1.0, CARRY_SIDE / max(mask.shape[2:]))
    size = [max(1, round(side * scale)) for side in mask.shape[2:]]
    weighted = F.interpolate(torch.cat([motion, torch.ones_like(mask)], 1) * known, size=size)
    carried = weighted[0].cpu().numpy()
    cv2 = load_opencv()
    blurred = [cv2.GaussianBlur(part, (0, 0), CARRY_REACH * max(size)) for part in carried]
    # Far from everything else that moves it takes the motion of all of it.
    vectors = np.stack(blurred[:2]) + 1e-6 * carried[:2].mean(axis=(1, 2), keepdims=True)
    share = blurred[2] + 1e-6 * carried[2].mean()
    near = torch.from_numpy(vectors / share)[None].to(motion)
    return torch.where(painted, F.interpolate(near, mask.shape[2:], mode="bilinear"), motion)


def blow_one_way(motion: Tensor, regions: Regions) -> Tensor:
    """Lets all of the sky move in one direction, its mean, at the speeds that it has.

    Args:
        motion: ``[1, 2, H, W]``.
        regions: Of this map.

    Returns:
        ``[1, 2, H, W]``.
    """
    is_sky = torch.tensor(
        [regions.is_sky(number) for number in range(len(regions.kinds))],
        device=regions.number.device,
    )[regions.number]
    inside = motion[0][:, is_sky & regions.moves]
    if inside.shape[1] == 0:
        return motion
    total = inside.sum(dim=1)
    # A sky without a common direction, as one that opens towards the viewer, stays as it is.
    if float(total.norm() / torch.hypot(*inside).sum().clamp(min=1e-9)) < LEAST_AGREEMENT:
        return motion
    way = (total / total.norm()).view(1, 2, 1, 1)
    return torch.where(is_sky, lengths(motion) * way, motion)


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
    speed = lengths(motion)[0, 0]
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
