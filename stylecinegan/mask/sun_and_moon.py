"""Detection of the sun and the moon in the sky and of their reflections in still water."""

import numpy as np

from stylecinegan.io import load_opencv
from stylecinegan.mask.colour_models import resize, shrink
from stylecinegan.mask.static_regions import touches_border

WORKING_SIDE = 256
"""Longer side at which discs are looked for, in pixels; lengths below are in these pixels."""

SMOOTHING, LARGEST_RADIUS = 1.0, 23
"""Standard deviation of the smoothing, and radius above which a bright region is no disc."""

GLOW, LEAST_PEAK, LEAST_BRIGHTNESS = 0.12, 0.3, 0.75
"""Excess of brightness over its surroundings at which a disc's glow ends, smallest excess and
smallest brightness at its centre, in [0, 1]."""

AREAS = (4e-4, 0.03)
"""Smallest and largest area of a disc and its glow, as fractions of the photo; stars have less."""

LEAST_ROUNDNESS = 0.55
"""Smallest fraction of its circumscribed circle that a disc covers."""

RING, LEAST_MOVING = (2.5, 10.0), 0.9
"""Inner and outer distance from a disc of what is compared with it, and the smallest fraction of
that ring that moves."""

LEAST_CONTRAST = 6.0
"""Smallest excess in units of the brightness's standard deviation in the ring; most clouds and gaps
between them have less."""


def find_discs(moves: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Finds the discs of the sun and the moon with their glow: round, bright, isolated spots.

    Still water reflects them as such spots; glitter is longer or less isolated.

    Args:
        moves: Pixels that are more likely sky or water than not, boolean ``[H, W]``.
        picture: ``[H, W, 3]``, float32 in [0, 1].

    Returns:
        Boolean ``[H, W]``: connected components away from the photo's border in which the white
        top-hat of the smoothed brightness exceeds :data:`GLOW`, and whose size, brightness,
        roundness and surroundings are within this module's limits.
    """
    cv2 = load_opencv()
    small = shrink(picture, WORKING_SIDE)
    brightness = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (0, 0), SMOOTHING)
    side = 2 * LARGEST_RADIUS + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    excess = cv2.morphologyEx(brightness, cv2.MORPH_TOPHAT, disc)
    surrounding = resize(moves.astype(np.float32), brightness.shape) > 0.5
    found = np.zeros(brightness.shape, np.float32)
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(
        (excess > GLOW).astype(np.uint8), connectivity=8
    )
    area = statistics[:, cv2.CC_STAT_AREA] / brightness.size
    is_candidate = (area >= AREAS[0]) & (area <= AREAS[1])
    is_candidate &= ~touches_border(statistics, brightness.shape)
    is_candidate[0] = False  # the background
    for part in np.flatnonzero(is_candidate):
        inside = parts == part
        peak = excess[inside].max()
        if peak < LEAST_PEAK or brightness[inside].max() < LEAST_BRIGHTNESS:
            continue
        core = inside & (excess > 0.5 * peak)
        _, radius = cv2.minEnclosingCircle(np.argwhere(core).astype(np.float32))
        if core.sum() < LEAST_ROUNDNESS * np.pi * (radius + 0.5) ** 2:
            continue
        distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
        ring = (distance > RING[0]) & (distance <= RING[1])
        # The constant stands for the noise of a cloudless sky.
        contrast = peak / (brightness[ring].std() + 0.01)
        if surrounding[ring].mean() >= LEAST_MOVING and contrast >= LEAST_CONTRAST:
            found[inside] = 1.0
    return resize(found, moves.shape) > 0.5
