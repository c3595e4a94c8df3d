"""Synthetic motion of photos from labels and geometry.

Real clips of a static camera are few, labelled photos many. The rules below give plausible, not
measured, motion; training mixes it with the motion of real clips.
"""

import numpy as np

from stylecinegan.io import load_opencv
from stylecinegan.motion.currents import along_banks, is_river, meets_sky, towards_shore

HORIZON_SPEED = 0.5
"""Speed of water at the horizon, as a share of its full speed."""

NEAR = 0.25
"""Fraction of the distance from the horizon to the picture's edge beyond which speed is full."""

LEAST_AREA = 0.004
"""Smallest moving component of water, as a fraction of the picture; smaller ones are label noise.
"""

WATER_SPEED = 0.85
"""Speed of water near the viewer; that of the sky is 1. This and the two numbers above imitate the
motion of the released model."""

FALL_SPEED = 1.3
"""Speed of falling water."""

MOST_SKY = 0.25
"""Largest fraction of sky in a photo with waterfalls."""

LEAST_FALLING = 0.12
"""Smallest mean probability of falling water over a component for it to fall."""

FAINT = 300.0
"""Squared Sobel response below which there are no streaks: 2 grey levels per pixel."""


def pseudo_motion(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Synthesises a motion for a photo.

    - Sky drifts to the right; its perspective is learned from real clips.
    - Lakes and seas drift to the right too, more slowly towards the horizon, and turn towards a
      shore in the foreground.
    - A river, water that widens towards the viewer, flows from its far to its near end along the
      gradient of a harmonic function between its banks (potential flow).
    - White water with upright streaks falls.

    The motion does not slow down at edges of regions, which
    :func:`~stylecinegan.motion.refinement.edge_ramp` does for the mask.

    Args:
        image: RGB, uint8, ``[H, W, 3]``.
        label: 0 static, 1 sky, 2 water, ``[H, W]``.

    Returns:
        (x, y), ``[2, H, W]``, float32, at most about 1.
    """
    cv2 = load_opencv()
    motion = np.zeros((2, *label.shape), np.float32)
    sky = label == 1
    motion[0][sky] = 1.0
    # Photos of waterfalls show little sky.
    falls = _falling(image, label == 2) * (sky.mean() < MOST_SKY)
    _, parts, statistics, _ = cv2.connectedComponentsWithStats((label == 2).astype(np.uint8))
    for number in range(1, len(statistics)):
        if statistics[number, cv2.CC_STAT_AREA] < LEAST_AREA * label.size:
            continue
        water = parts == number
        top = np.flatnonzero(water.any(axis=1)).min()
        speed = WATER_SPEED * _perspective(top, label.shape)
        flows = is_river(water) and not meets_sky(water, sky)
        direction = along_banks(water) if flows else towards_shore(water, label)
        fall = falls if falls[water].mean() > LEAST_FALLING else np.zeros_like(falls)
        velocity = (1.0 - fall) * speed * direction
        velocity[1] += fall * FALL_SPEED
        motion[:, water] = velocity[:, water]
    return motion


def _perspective(horizon: int, shape: tuple[int, ...]) -> np.ndarray:
    """Speed that grows from the horizon to the picture's lower edge, ``[H, W]``."""
    height = shape[0]
    distance = np.arange(height) - horizon
    # Water that ends near the horizon, at a far shore, stays slow.
    extent = max(height - 1 - horizon, 0.35 * height)
    nearness = np.clip(distance / (NEAR * extent), 0.0, 1.0)
    speed = HORIZON_SPEED + (1.0 - HORIZON_SPEED) * nearness
    return np.broadcast_to(speed[:, None], shape).astype(np.float32)


def _falling(image: np.ndarray, water: np.ndarray) -> np.ndarray:
    """Probability of falling water, ``[H, W]`` in [0, 1]."""
    if not water.any():
        return np.zeros(water.shape, np.float32)
    cv2 = load_opencv()
    size = water.shape[0] / 32
    colour = image.astype(np.float32)
    grey = colour.mean(axis=2)
    weight = cv2.GaussianBlur(water.astype(np.float32), (0, 0), size) + 1e-3

    def local_mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x.astype(np.float32) * water, (0, 0), size) / weight

    across = local_mean(cv2.Sobel(grey, cv2.CV_32F, 1, 0) ** 2)
    down = local_mean(cv2.Sobel(grey, cv2.CV_32F, 0, 1) ** 2)
    streaks = across / (across + down + FAINT)
    # Falling water is brighter than land, a reflection is not.
    bright = max(80.0, 1.1 * float(np.median(grey[~water]))) if not water.all() else 128.0
    pale = local_mean((grey > bright) & (np.ptp(colour, axis=2) < 0.4 * colour.max(axis=2)))
    # Reflections are upright as well, but on wide water.
    rows = water.sum(axis=1, keepdims=True) / water.shape[1]
    return _ramp(streaks, 0.48, 0.58) * _ramp(pale, 0.25, 0.5) * _ramp(-rows, -0.9, -0.7)


def _ramp(x: np.ndarray, low: float, high: float) -> np.ndarray:
    share = np.clip((x - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
