"""Region and velocity of falling water, that of fountains included.

The region is a class of the segmentation network; networks without it find no falling water.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.framing import limited_size
from stylecinegan.io import load_opencv
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.water_regions import find_falling
from stylecinegan.motion.fountains import fountain_velocity, is_fountain
from stylecinegan.motion.regions import Regions
from stylecinegan.motion.vectors import lengths, median_speed
from stylecinegan.warping.displacement import pixel_grid

SIDE = 256
"""Longer side of the picture in which falls are analysed."""

LEAST_AREA = 0.001
"""Smallest area of a fall, as a fraction of the picture."""

LEAST_PAINTED = 0.05
"""Smallest mean probability of falling water in regions that move but are classified as static.

The user painted them, or they are part of a fall.
"""

FAINT = 300.0
"""Regularisation of streaks' orientations, a squared Sobel response: 2 grey levels per pixel."""

SHAPE_WEIGHT = 0.5
UPRIGHT_WEIGHT = 0.5
"""Weights of a fall's principal axis and of the vertical; that of its streaks is 1."""

STEEPEST_LEAN = 50.0
"""Largest angle of a fall's slope from the vertical, in degrees."""

SOFTNESS = 4.0
"""Width of the transition at the edge of a fall, in pixels of the small picture."""

FALL_SPEED = 1.5
"""Speed of falling water, as a multiple of the median speed elsewhere."""

FOOT_REACH = 4.0
"""Distance over which water spreads from the foot of a fall, in half-widths of the foot."""

FALLING = 3
"""Class of falling water, after static, sky and water."""


@dataclass(frozen=True)
class Falls:
    """Region and velocity of falling water.

    Attributes:
        weight: Membership of a pixel, ``[1, 1, H, W]`` in [0, 1].
        slope: Unit vectors down the fall, ``[1, 2, H, W]``; velocities in fountains, at most 1
            long.
    """

    weight: Tensor
    slope: Tensor


def find_falls(photo: Tensor, classes: PixelClasses, mask: Tensor | None = None) -> Falls | None:
    """Finds falling water in a photo.

    Args:
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        classes: Classes of the photo's pixels, of any size.
        mask: S, ``[1, 1, H, W]``; in regions that it moves but that are classified as static, a
            lower probability suffices.

    Returns:
        The falls, at the photo's size; ``None`` if there are none or the classes do not include
        them.
    """
    if classes.falling is None:
        return None
    height, width = photo.shape[2:]
    size = limited_size((height, width), SIDE)
    probabilities = _resize(classes.probabilities, size)[0].cpu().numpy()
    label = probabilities.argmax(axis=0)
    falling = _resize(find_falling(classes.falling), size)[0, 0].cpu().numpy() > 0.5
    if mask is not None:
        moves = _resize(mask, size)[0, 0].cpu().numpy() > 0.5
        probability = _resize(classes.falling, size)[0, 0].cpu().numpy()
        for region in _large_components(moves & (falling | (label == 0))):
            # Such a region may be sky between leaves.
            least = max(LEAST_PAINTED, probabilities[1][region].mean())
            falling |= region & bool(probability[region].mean() > least)
    components = _large_components(falling)
    if not components:
        return None
    weight = _soft_edges(np.logical_or.reduce(components), label)
    slope = _slope(_resize(photo, size)[0], components)
    cv2 = load_opencv()
    for component in components:
        if is_fountain(component, label == 1, label == 2):
            near = cv2.dilate(component.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
            slope = np.where(near, fountain_velocity(component), slope)
    found = np.stack([weight, *slope]).astype(np.float32)
    fine = F.interpolate(torch.from_numpy(found)[None].to(photo), (height, width), mode="bilinear")
    return Falls(fine[:, :1], fine[:, 1:])


def _soft_edges(falling: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Membership, ``[H, W]`` in [0, 1], with soft edges to other water and sharp ones to land."""
    water = falling | (label == 2)
    soft, whole = (_blur(area, SOFTNESS) for area in (falling, water))
    return soft / np.maximum(whole, 1e-6) * water


def set_falling_motion(motion: Tensor, falls: Falls, regions: Regions) -> Tensor:
    """Sets the motion of falling water and of the outflow at its foot.

    Water falls at :data:`FALL_SPEED` times the median speed elsewhere.

    Args:
        motion: ``[1, 2, H, W]``.
        falls: Falls of this map.
        regions: Regions of this map.

    Returns:
        ``[1, 2, H, W]``.
    """
    inside = regions.moves & (falls.weight[0, 0] <= 0.5)
    usual = median_speed(lengths(motion)[0, 0][inside])
    motion = torch.lerp(motion, *_outflow(motion, falls, regions, usual))
    return torch.lerp(motion, FALL_SPEED * usual * falls.slope, falls.weight)


def _outflow(
    motion: Tensor, falls: Falls, regions: Regions, usual: Tensor
) -> tuple[Tensor, Tensor]:
    """Motion away from the feet of falls, ``[1, 2, H, W]``, and its weight, ``[1, 1, H, W]``."""
    cv2 = load_opencv()
    height, width = regions.number.shape
    is_falling = falls.weight[0, 0] > 0.5
    pool = regions.moves & ~is_falling & ~regions.sky
    away, weight = torch.zeros_like(motion), torch.zeros_like(motion[:, :1])
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(is_falling.byte().cpu().numpy())
    position = pixel_grid(height, width, motion)
    for number in range(1, len(statistics)):
        if statistics[number, cv2.CC_STAT_AREA] < LEAST_AREA * height * width:
            continue
        top, length = statistics[number, [cv2.CC_STAT_TOP, cv2.CC_STAT_HEIGHT]].tolist()
        rows, columns = np.nonzero(labels == number)
        foot = columns[rows >= top + 0.85 * (length - 1)]
        middle, half = float(foot.mean()), max(0.5 * float(np.ptp(foot)), 0.02 * width)
        # Rays from a point inside the fall: downwards below it, sideways beside its foot.
        ray = position - motion.new_tensor([middle, top + length - half]).view(1, 2, 1, 1)
        distance = lengths(ray)
        near = torch.exp(-((distance / (FOOT_REACH * half)) ** 2)) * (ray[:, 1:] > 0) * pool
        away = torch.where(near > weight, ray / distance.clamp(min=1e-6), away)
        weight = torch.maximum(weight, near)
    return usual * away, weight


def mark_falls(vote: Tensor, falls: Falls) -> Tensor:
    """Adds the class of falling water to a vote.

    Args:
        vote: Classes 0 static, 1 sky, 2 water, ``[1, 1, h, w]``, int64.
        falls: Falling water of the photo.

    Returns:
        Classes with :data:`FALLING`, ``[1, 1, H, W]``, of the size of the falls.
    """
    fine = F.interpolate(vote.float(), falls.weight.shape[2:], mode="nearest-exact").to(vote.dtype)
    return torch.where((falls.weight > 0.5) & (fine != 1), FALLING, fine)


def mark_fountains(vote: Tensor, painted: Tensor) -> Tensor:
    """Assigns the class of falling water to painted fountains.

    Args:
        vote: Classes, ``[1, 1, h, w]``, int64.
        painted: Where the user painted motion, ``[1, 1, H, W]`` in [0, 1]. Connected components
            that are higher than wide are fountains.

    Returns:
        Classes with :data:`FALLING`, ``[1, 1, H, W]``.
    """
    cv2 = load_opencv()
    inside = (painted[0, 0] > 0.5).cpu().numpy().astype(np.uint8)
    _, number, statistics, _ = cv2.connectedComponentsWithStats(inside)
    is_high = statistics[:, cv2.CC_STAT_HEIGHT] > statistics[:, cv2.CC_STAT_WIDTH]
    is_high[0] = False
    fine = F.interpolate(vote.float(), painted.shape[2:], mode="nearest-exact").to(vote.dtype)
    fountain = torch.from_numpy(is_high[number])[None, None].to(vote.device)
    return torch.where(fountain, FALLING, fine)


def _large_components(falling: np.ndarray) -> list[np.ndarray]:
    """Connected components of at least :data:`LEAST_AREA`, boolean ``[H, W]`` each."""
    cv2 = load_opencv()
    _, number, statistics, _ = cv2.connectedComponentsWithStats(falling.astype(np.uint8))
    areas = statistics[:, cv2.CC_STAT_AREA]
    return [
        number == part for part in range(1, len(areas)) if areas[part] >= LEAST_AREA * falling.size
    ]


def _slope(photo: Tensor, components: list[np.ndarray]) -> np.ndarray:
    """Unit vectors (x, y) down the slope, ``[2, H, W]``, of a photo ``[3, H, W]`` in [-1, 1].

    Orientations are averaged at twice their angle, so that opposite directions are the same.
    """
    cv2 = load_opencv()
    grey = ((photo.clamp(-1.0, 1.0) + 1.0) * 127.5).mean(dim=0).cpu().numpy()
    falling = np.logical_or.reduce(components)
    size = max(grey.shape) / 40
    inside = _blur(falling, size)

    def mean(values: np.ndarray) -> np.ndarray:
        return _blur(values * falling, size) / (inside + 1e-3)

    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    across, along, both = mean(x * x), mean(y * y), mean(x * y)
    energy = across + along + FAINT
    doubled = np.stack([across - along, 2.0 * both]) / energy
    for component in components:
        # A fall that is wider than high does not flow along its principal axis.
        (xx, xy), (_, yy) = np.cov(np.nonzero(component)[::-1])
        if yy > xx:
            axis = np.array([yy - xx, -2.0 * xy]) / (xx + yy)
            doubled += SHAPE_WEIGHT * axis[:, None, None] * component
    cosine, sine = (mean(part) for part in doubled)
    lean = 0.5 * np.arctan2(sine, cosine + UPRIGHT_WEIGHT)
    lean = np.clip(lean, *np.deg2rad([-STEEPEST_LEAN, STEEPEST_LEAN]))
    return np.stack([-np.sin(lean), np.cos(lean)])


def _blur(values: np.ndarray, size: float) -> np.ndarray:
    return load_opencv().GaussianBlur(values.astype(np.float32), (0, 0), size)


def _resize(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values.float(), size, mode="bilinear", antialias=True)
