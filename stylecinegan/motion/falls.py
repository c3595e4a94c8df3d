"""Falling water: where it is, and down which slope it falls.

Segmentation knows water, not whether it falls. What falls is white, streaked along its slope,
brighter than what stands beside it, narrow, and no mirror image of what is above it.

The same network takes many falls for rock. What looks like a fall and ends in water is found there
as well, and so is what a user paints as moving.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.io import load_opencv
from stylecinegan.motion.regions import Regions
from stylecinegan.motion.vectors import lengths
from stylecinegan.warping.displacement import pixel_grid

SIDE = 256
"""Longer side of the picture that falls are looked for in."""

LEAST_AREA = 0.003
"""Share of the picture below which a place is too small to tell whether it falls."""

FAINT = 300.0
"""Squared response of the Sobel filter below which streaks are none: 2 grey levels per pixel."""

STEEPEST_LEAN = 40.0
"""Degrees from upright that the slope of a fall may have."""

LEAST_CERTAINTY = 0.65
"""Of water; what is not known to fall flows: a lake that falls is worse than a fall that drifts."""

LEAST_PAINTED_CERTAINTY = 0.35
"""Of what a mask says that moves although it is classified as static."""

LEAST_CERTAINTY_ABOVE = 0.5
REACH_OF_WATER = 0.03
LEAST_TOUCHING = 0.4
LARGEST_ABOVE = 0.15
"""Of what is classified as static: certainty, way down to water as a share of the height, share of
its foot that is so near, and share of the picture, over which it is mist."""

LEAST_FALLING = 0.015
"""Share of the picture that must fall in all, unless it was painted: specks are mistakes."""

LEAST_PALE = 0.4
"""Share of the surroundings that is pale, from which on water beside a fall belongs to it."""

SOFTNESS = 4.0
"""Way from falling water to what does not fall, in pixels of the small picture."""

WIDEST_FALL = 0.9
"""Share of the picture's width; wider water is a lake or a sea."""

FALL_SPEED = 1.5
"""Speed of falling water, as a multiple of what else moves."""

FOOT_REACH = 4.0
"""Distance that water spreads from the foot of a fall, in halves of its width."""

FALLING = 3
"""Class of falling water, after static, sky and water."""


class Signs(NamedTuple):
    """Features that tell falling water from a pale reflection or rock, for one streaked region.

    Attributes:
        upright: How upright its streaks stand, in [-1, 1].
        colour: Mean saturation, in [0, 1].
        rank: Share of the picture that is darker, in [0, 1].
        contrast: By how much it is brighter than what is beside it, in grey levels.
        sky: Share of the picture that is sky, in [0, 1].
        width: Share of its rows that can fall, in [0, 1].
        mirror: Correlation with its mirror image above the water's upper edge, in [-1, 1].
        changes: Deviation of the grey levels down its columns, as a share of that of all of it.
        gradient: Root of the mean squared response of the Sobel filter.
        height: Share of the picture's height.
    """

    upright: float
    colour: float
    rank: float
    contrast: float
    sky: float
    width: float
    mirror: float
    changes: float
    gradient: float
    height: float

    @property
    def lies(self) -> bool:
        """Tells a surface that lies: it fills the picture's width, or most of it as a mirror."""
        return self.width > WIDEST_FALL or (self.width > 0.5 and self.mirror > 0.5)

    def certainty(self, weights: "Signs", bias: float) -> float:
        """Probability that the place is falling water (logistic regression)."""
        score = bias + sum(w * sign for w, sign in zip(weights, self, strict=True))
        return float(1.0 / (1.0 + np.exp(-score)))


IN_WATER = Signs(3.77, -7.82, 5.80, 0.0182, -10.35, -4.06, -2.76, 0.0, 0.0, 0.0), -1.41
"""Weights and bias for water, from 94 streaked places of 61 photos of waterfalls, reflections,
reeds and mist, told apart by eye."""

PAINTED = Signs(-0.56, -1.82, -3.94, 0.0442, -16.06, 0.0, 0.0, 1.95, -0.0137, 1.79), 2.51
"""The same for what is painted, from 440 streaked places of 524 photos, whatever their class."""


@dataclass(frozen=True)
class Falls:
    """Falling water.

    Attributes:
        weight: How much a place falls, ``[1, 1, H, W]`` in [0, 1].
        slope: Unit vectors down the fall, ``[1, 2, H, W]``.
    """

    weight: Tensor
    slope: Tensor

    def __bool__(self) -> bool:
        """Tells whether anything falls."""
        return bool((self.weight > 0.5).any())


def find_falls(photo: Tensor, probabilities: Tensor, mask: Tensor | None = None) -> Falls:
    """Looks for falling water in a photo.

    Args:
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        probabilities: Of static, sky and water, ``[1, 3, h, w]``, of any size.
        mask: S, ``[1, 1, H, W]``: what moves although it is no sky and no water may fall as well.

    Returns:
        The falls, at the photo's size; their weight may be 0 everywhere.
    """
    height, width = photo.shape[2:]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = F.interpolate(photo.float(), size, mode="bilinear", antialias=scale < 1.0)
    image = ((small[0].clamp(-1.0, 1.0) + 1.0) * 127.5).permute(1, 2, 0).cpu().numpy()
    classes = F.interpolate(probabilities.float(), size, mode="bilinear").argmax(dim=1)[0]
    label = classes.cpu().numpy()
    found = _find(image, label, label == 2, *IN_WATER, LEAST_CERTAINTY, LEAST_FALLING)
    above = _find_above(image, label)
    found = np.where(above[:1] > found[:1], above, found)
    if mask is not None:
        moves = F.interpolate(mask.float(), size, mode="bilinear", antialias=scale < 1.0) > 0.5
        painted = moves[0, 0].cpu().numpy() & (label == 0)
        also = _find(image, label, painted, *PAINTED, LEAST_PAINTED_CERTAINTY, LEAST_AREA)
        found = np.where(also[:1] > found[:1], also, found)
    fine = F.interpolate(torch.from_numpy(found)[None].to(photo), (height, width), mode="bilinear")
    slope = fine[:, 1:] / lengths(fine[:, 1:]).clamp(min=1e-6)
    return Falls(fine[:, :1], slope)


def fall(motion: Tensor, falls: Falls, regions: Regions) -> Tensor:
    """Lets falling water fall, faster than the rest, and spread at its foot.

    Args:
        motion: ``[1, 2, H, W]``.
        falls: Of this map.
        regions: Of this map.

    Returns:
        ``[1, 2, H, W]``.
    """
    if not falls:
        return motion
    inside = regions.moves & (falls.weight[0, 0] <= 0.5)
    speeds = lengths(motion)[0, 0]
    speeds = speeds[inside & (speeds > 0)]
    usual = speeds.median() if len(speeds) else motion.new_ones(())
    motion = torch.lerp(motion, *_spreading(motion, falls, regions, usual))
    return torch.lerp(motion, FALL_SPEED * usual * falls.slope, falls.weight)


def _spreading(
    motion: Tensor, falls: Falls, regions: Regions, usual: Tensor
) -> tuple[Tensor, Tensor]:
    """Motion away from the feet of falls, and how much it counts, ``[1, 1, H, W]``."""
    cv2 = load_opencv()
    height, width = regions.number.shape
    is_falling = falls.weight[0, 0] > 0.5
    pool = regions.moves & ~is_falling
    sky = [number for number in range(len(regions.kinds)) if regions.is_sky(number)]
    for number in sky:
        pool = pool & (regions.number != number)
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
        # Rays from inside the fall: down below it, and to the sides beside its foot.
        way = place - motion.new_tensor([middle, top + length - half]).view(1, 2, 1, 1)
        distance = lengths(way)
        near = torch.exp(-((distance / (FOOT_REACH * half)) ** 2)) * (way[:, 1:] > 0) * pool
        away = torch.where(near > weight, way / distance.clamp(min=1e-6), away)
        weight = torch.maximum(weight, near)
    return usual * away, weight


def add_falls(mask: Tensor, falls: Falls, vote: Tensor) -> Tensor:
    """Adds falls to a predicted mask, and what parts them from their pools.

    Args:
        mask: S, ``[1, 1, H, W]``.
        falls: Of the photo, at that size.
        vote: Classes 0 static, 1 sky, 2 water, ``[1, 1, h, w]``, int64.

    Returns:
        ``[1, 1, H, W]``.
    """
    if not falls:
        return mask
    # A mask's edge is steeper than the way from falling water to a pool.
    added = (2.5 * (falls.weight - 0.3)).clamp(0.0, 1.0)
    # A cautious mask leaves the pool's edge out; no still rim shall part it from its fall.
    side = 2 * round(REACH_OF_WATER * mask.shape[2]) + 1
    wide = load_opencv().dilate(added[0, 0].cpu().numpy(), np.ones((side, side), np.uint8))
    water = F.interpolate(vote.float(), mask.shape[2:], mode="nearest-exact") == 2
    near = torch.from_numpy(wide)[None, None].to(added)
    return torch.maximum(mask, torch.where(water, near, added))


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


def _find_above(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Falls that end in water although they are classified as static, as :func:`_find` gives them.

    What is streaked and white but stands beside no water is a trunk, a rock or mist.
    """
    cv2 = load_opencv()
    away = cv2.dilate((label == 1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    static = (label == 0) & ~away
    found = _find(image, label, static, *PAINTED, LEAST_CERTAINTY_ABOVE, LEAST_AREA)
    _, places, statistics, _ = cv2.connectedComponentsWithStats((found[0] > 0.5).astype(np.uint8))
    touching = (label == 2).astype(np.float32)
    reach = round(REACH_OF_WATER * label.shape[0])
    for number in range(1, len(statistics)):
        place = places == number
        rows = np.flatnonzero(place.any(axis=1))
        foot = place & (np.arange(label.shape[0])[:, None] >= rows[-1] - reach)
        # Water below its foot, shifted up to it.
        below = np.zeros(label.shape)
        for shift in range(1, reach + 1):
            below[:-shift] = np.maximum(below[:-shift], touching[shift:])
        is_mist = place.sum() > LARGEST_ABOVE * label.size
        if is_mist or below[foot].mean() < LEAST_TOUCHING:
            # With all of its soft edge.
            edge = np.ones((12 * round(SOFTNESS) + 1,) * 2, np.uint8)
            found[0][cv2.dilate(place.astype(np.uint8), edge) > 0] = 0.0
    return found


def _find(
    image: np.ndarray,
    label: np.ndarray,
    water: np.ndarray,
    weights: Signs,
    bias: float,
    least_certainty: float,
    least_falling: float,
) -> np.ndarray:
    """Weight and slope (x, y), ``[3, H, W]``, float32, of an image ``[H, W, 3]`` in [0, 255]."""
    cv2 = load_opencv()
    result = np.zeros((3, *label.shape), np.float32)
    result[2] = 1.0
    if water.mean() < LEAST_AREA:
        return result
    grey = image.mean(axis=2).astype(np.float32)
    saturation = np.ptp(image, axis=2) / np.maximum(image.max(axis=2), 1.0)
    around = _Surroundings(water)
    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    across, along, both = around.mean(x * x), around.mean(y * y), around.mean(x * y)
    streaks = across / (across + along + FAINT)
    # A reflection is hardly brighter than the banks that it shows, a fall than sunlit rocks.
    usual = grey[label == 0] if weights is PAINTED[0] else grey[~water]
    bright = (1.3 if weights is PAINTED[0] else 1.1) * float(np.median(usual)) if usual.size else 0
    pale = around.mean((grey > max(80.0, bright)) & (saturation < 0.4))
    weight = _ramp(streaks, 0.45, 0.55) * _ramp(pale, 0.25, 0.5) * water
    lean = 0.5 * np.arctan2(2.0 * both, across - along)  # of the gradient, from level
    steadiness = np.hypot(across - along, 2.0 * both) / (across + along + FAINT)
    upright = steadiness * np.cos(2.0 * lean)
    mirrored = _mirrored(cv2.GaussianBlur(grey, (0, 0), 2.0), water)
    _, places, statistics, _ = cv2.connectedComponentsWithStats((weight > 0.5).astype(np.uint8))
    falling = np.zeros(label.shape, np.uint8)
    for number in range(1, len(statistics)):
        if statistics[number, cv2.CC_STAT_AREA] < LEAST_AREA * label.size:
            continue
        place = places == number
        signs = Signs(
            upright=float(upright[place].mean()),
            colour=float(saturation[place].mean()),
            width=float(water.mean(axis=1)[np.nonzero(place)[0]].mean()),
            rank=float((grey < grey[place].mean()).mean()),
            contrast=_contrast(grey, place),
            sky=float((label == 1).mean()),
            mirror=_correlation(mirrored, grey, place),
            changes=_changes_down(grey, place),
            gradient=float(np.sqrt(across + along)[place].mean()),
            height=statistics[number, cv2.CC_STAT_HEIGHT] / label.shape[0],
        )
        # What is static does not lie like a lake, however wide it is.
        lies = weights is IN_WATER[0] and signs.lies
        if not lies and signs.certainty(weights, bias) > least_certainty:
            falling |= _grown(place, water & (pale > LEAST_PALE))
    if falling.sum() < least_falling * label.size:
        return result
    # Falling water and what it flows from or into change softly, but not where the water ends.
    soft = [cv2.GaussianBlur(m.astype(np.float32), (0, 0), SOFTNESS) for m in (falling, water)]
    result[0] = soft[0] / np.maximum(soft[1], 1e-6) * water
    lean = np.clip(lean, *np.deg2rad([-STEEPEST_LEAN, STEEPEST_LEAN]))
    lean = around.mean(lean * steadiness * falling) / (around.mean(steadiness * falling) + 1e-3)
    result[1:] = -np.sin(lean), np.cos(lean)
    return result


def _grown(place: np.ndarray, pale: np.ndarray) -> np.ndarray:
    """A streaked place and the pale water around it that is not below it, uint8."""
    cv2 = load_opencv()
    rows, columns = np.nonzero(place)
    height, width = (1 + values.max() - values.min() for values in (rows, columns))
    window = np.zeros(place.shape, bool)
    top, left = max(rows.min() - height, 0), max(columns.min() - width // 3, 0)
    window[top : rows.max() + 1, left : columns.max() + 1 + width // 3] = True
    _, parts = cv2.connectedComponents((place | (pale & window)).astype(np.uint8))
    return (parts == parts[place].max()).astype(np.uint8)


class _Surroundings:
    """Means over what is around a place within the water."""

    def __init__(self, water: np.ndarray) -> None:
        self.water = water
        self.size = max(water.shape) / 40
        self.weight = self._blur(water)

    def mean(self, values: np.ndarray) -> np.ndarray:
        return self._blur(values * self.water) / (self.weight + 1e-3)

    def _blur(self, values: np.ndarray) -> np.ndarray:
        return load_opencv().GaussianBlur(values.astype(np.float32), (0, 0), self.size)


def _mirrored(grey: np.ndarray, water: np.ndarray) -> np.ndarray:
    """The mirror image that water would show, flipped at its upper edge; NaN elsewhere."""
    height = grey.shape[0]
    edge = np.zeros(grey.shape, np.int64)  # first row of the water above a place
    for row in range(height):
        above = edge[row - 1] if row else np.zeros(grey.shape[1], np.int64)
        edge[row] = np.where(water[row], above, row + 1)
    source = 2 * edge - 1 - np.arange(height)[:, None]
    columns = np.arange(grey.shape[1])[None, :]
    shown = grey[source.clip(0, height - 1), columns]
    return np.where((source >= 0) & (edge > 0), shown, np.nan)


def _correlation(mirrored: np.ndarray, grey: np.ndarray, place: np.ndarray) -> float:
    known = place & np.isfinite(mirrored)
    if known.sum() < 50:
        return 0.0
    first, second = (values[known] - values[known].mean() for values in (mirrored, grey))
    length = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / length) if length > 0 else 0.0


def _contrast(grey: np.ndarray, place: np.ndarray) -> float:
    cv2 = load_opencv()
    width = (grey.shape[1] // 8) | 1
    beside = (cv2.dilate(place.astype(np.uint8), np.ones((1, width), np.uint8)) > 0) & ~place
    return float(grey[place].mean() - grey[beside].mean()) if beside.any() else 0.0


def _changes_down(grey: np.ndarray, place: np.ndarray) -> float:
    smooth = load_opencv().GaussianBlur(grey, (0, 0), 1.0)
    columns = [smooth[rows, column] for column, rows in enumerate(place.T) if rows.sum() > 8]
    usual = max(float(smooth[place].std()), 1.0)
    return float(np.mean([column.std() for column in columns])) / usual if columns else 1.0


def _ramp(x: np.ndarray, low: float, high: float) -> np.ndarray:
    share = np.clip((x - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
