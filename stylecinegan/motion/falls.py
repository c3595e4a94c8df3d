"""Falling water: its region and its slope; fountains rise as well.

The region is that of the segmentation network's class; networks without it find no falling water.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.io import load_opencv
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.segmentation import find_falling
from stylecinegan.motion.fountains import is_fountain, spout
from stylecinegan.motion.regions import Regions
from stylecinegan.motion.vectors import lengths
from stylecinegan.warping.displacement import pixel_grid

SIDE = 256
"""Longer side of the picture in which falls are analysed."""

LEAST_AREA = 0.001
"""Smallest area of a fall, as a fraction of the picture."""

LEAST_PAINTED = 0.05
"""Smallest mean probability of falling water for a fall in a region that the mask moves but that is
classified as static: the user painted it, or it is part of a fall."""

FAINT = 300.0
"""Regularisation of streaks, as a squared Sobel response: 2 grey levels per pixel."""

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
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    falling = _resize(find_falling(classes.falling), size)[0, 0].cpu().numpy() > 0.5
    probabilities = _resize(classes.probabilities, size)[0].cpu().numpy()
    label = probabilities.argmax(axis=0)
    if mask is not None:
        moves = _resize(mask, size)[0, 0].cpu().numpy() > 0.5
        probability = _resize(classes.falling, size)[0, 0].cpu().numpy()
        for place in _large_places(moves & (falling | (label == 0))):
            # Such a region may be sky between leaves.
            least = max(LEAST_PAINTED, probabilities[1][place].mean())
            falling |= place & bool(probability[place].mean() > least)
    places = _large_places(falling)
    if not places:
        return None
    cv2 = load_opencv()
    falling = np.logical_or.reduce(places)
    # The transition to other water is soft, that to land is sharp.
    water = falling | (label == 2)
    soft, whole = (_blur(area, SOFTNESS) for area in (falling, water))
    weight = soft / np.maximum(whole, 1e-6) * water
    image = ((_resize(photo, size)[0].clamp(-1.0, 1.0) + 1.0) * 127.5).mean(dim=0).cpu().numpy()
    slope = _slope(image, places)
    for place in places:
        if is_fountain(place, label == 1, label == 2):
            near = cv2.dilate(place.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
            slope = np.where(near, spout(place), slope)
    found = np.stack([weight, *slope]).astype(np.float32)
    fine = F.interpolate(torch.from_numpy(found)[None].to(photo), (height, width), mode="bilinear")
    return Falls(fine[:, :1], fine[:, 1:])


def fall(motion: Tensor, falls: Falls, regions: Regions) -> Tensor:
    """Sets the motion of falling water, faster than elsewhere, and of water that spreads from it.

    Args:
        motion: ``[1, 2, H, W]``.
        falls: Falls of this map.
        regions: Regions of this map.

    Returns:
        ``[1, 2, H, W]``.
    """
    inside = regions.moves & (falls.weight[0, 0] <= 0.5)
    speeds = lengths(motion)[0, 0]
    speeds = speeds[inside & (speeds > 0)]
    usual = speeds.median() if len(speeds) else motion.new_ones(())
    motion = torch.lerp(motion, *_spreading(motion, falls, regions, usual))
    return torch.lerp(motion, FALL_SPEED * usual * falls.slope, falls.weight)


def _spreading(
    motion: Tensor, falls: Falls, regions: Regions, usual: Tensor
) -> tuple[Tensor, Tensor]:
    """Motion away from the feet of falls, and its weight, ``[1, 1, H, W]``."""
    cv2 = load_opencv()
    height, width = regions.number.shape
    is_falling = falls.weight[0, 0] > 0.5
    pool = regions.moves & ~is_falling & ~regions.sky
    away, weight = torch.zeros_like(motion), torch.zeros_like(motion[:, :1])
    _, places, statistics, _ = cv2.connectedComponentsWithStats(is_falling.byte().cpu().numpy())
    place = pixel_grid(height, width, motion)
    for number in range(1, len(statistics)):
        if statistics[number, cv2.CC_STAT_AREA] < LEAST_AREA * height * width:
            continue
        top, length = statistics[number, [cv2.CC_STAT_TOP, cv2.CC_STAT_HEIGHT]].tolist()
        rows, columns = np.nonzero(places == number)
        foot = columns[rows >= top + 0.85 * (length - 1)]
        middle, half = float(foot.mean()), max(0.5 * float(np.ptp(foot)), 0.02 * width)
        # Rays from a point inside the fall: downwards below it, sideways beside its foot.
        way = place - motion.new_tensor([middle, top + length - half]).view(1, 2, 1, 1)
        distance = lengths(way)
        near = torch.exp(-((distance / (FOOT_REACH * half)) ** 2)) * (way[:, 1:] > 0) * pool
        away = torch.where(near > weight, way / distance.clamp(min=1e-6), away)
        weight = torch.maximum(weight, near)
    return usual * away, weight


def mark_falls(vote: Tensor, falls: Falls) -> Tensor:
    """Gives falling water its own class.

    Args:
        vote: Classes 0 static, 1 sky, 2 water, ``[1, 1, h, w]``, int64.
        falls: Of the photo.

    Returns:
        Classes with :data:`FALLING`, ``[1, 1, H, W]``, of the size of the falls.
    """
    fine = F.interpolate(vote.float(), falls.weight.shape[2:], mode="nearest-exact").to(vote.dtype)
    return torch.where((falls.weight > 0.5) & (fine != 1), FALLING, fine)


def mark_fountains(vote: Tensor, painted: Tensor) -> Tensor:
    """Gives what somebody painted as a fountain the class of falling water.

    Args:
        vote: Classes, ``[1, 1, h, w]``, int64.
        painted: 1 where something was painted as moving, ``[1, 1, H, W]``: of its parts those that
            are higher than wide.

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


def _large_places(falling: np.ndarray) -> list[np.ndarray]:
    """Connected components of at least :data:`LEAST_AREA`, boolean ``[H, W]`` each."""
    cv2 = load_opencv()
    _, number, statistics, _ = cv2.connectedComponentsWithStats(falling.astype(np.uint8))
    areas = statistics[:, cv2.CC_STAT_AREA]
    return [
        number == part for part in range(1, len(areas)) if areas[part] >= LEAST_AREA * falling.size
    ]


def _slope(grey: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """Unit vectors (x, y) down the slope, ``[2, H, W]``, of an image ``[H, W]`` in [0, 255].

    Orientations are averaged at twice their angle, so that opposite directions are the same.
    """
    cv2 = load_opencv()
    falling = np.logical_or.reduce(places)
    size = max(grey.shape) / 40
    inside = _blur(falling, size)

    def mean(values: np.ndarray) -> np.ndarray:
        return _blur(values * falling, size) / (inside + 1e-3)

    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    across, along, both = mean(x * x), mean(y * y), mean(x * y)
    energy = across + along + FAINT
    doubled = np.stack([across - along, 2.0 * both]) / energy
    for place in places:
        # A fall that is wider than high does not flow along its principal axis.
        (xx, xy), (_, yy) = np.cov(np.nonzero(place)[::-1])
        if yy > xx:
            axis = np.array([yy - xx, -2.0 * xy]) / (xx + yy)
            doubled += SHAPE_WEIGHT * axis[:, None, None] * place
    cosine, sine = (mean(part) for part in doubled)
    lean = 0.5 * np.arctan2(sine, cosine + UPRIGHT_WEIGHT)
    lean = np.clip(lean, *np.deg2rad([-STEEPEST_LEAN, STEEPEST_LEAN]))
    return np.stack([-np.sin(lean), np.cos(lean)])


def _blur(values: np.ndarray, size: float) -> np.ndarray:
    return load_opencv().GaussianBlur(values.astype(np.float32), (0, 0), size)


def _resize(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values.float(), size, mode="bilinear", antialias=True)
