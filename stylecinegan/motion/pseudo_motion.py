"""Motion made up for photos, from their labels and from geometry.

Real clips with a camera at rest are few, photos with labels many. What the rules below give is
plausible, not measured; training mixes it with the motion of real clips.
"""

import numpy as np

from stylecinegan.io import load_opencv

HORIZON_SPEED = 0.5
"""Speed of water at the horizon, as a share of its full speed."""

NEAR = 0.25
"""Share of the way from the horizon to the picture's edge from which on speed is full."""

LEAST_AREA = 0.004
"""Share of the picture below which a piece of water is left at rest: it is a wrong label."""

WATER_SPEED = 0.85
"""Speed of water near the viewer; that of the sky is 1. This and the two numbers above were chosen
with an eye to the motion of the released model."""

FALL_SPEED = 1.3

MOST_SKY = 0.25
LEAST_FALLING = 0.12
"""Shares of the picture, and of a piece of water, that waterfalls are looked for in."""

FAINT = 300.0
"""Squared response of the Sobel filter below which streaks are none: 2 grey levels per pixel."""

NUM_SWEEPS = 150

GRID_SIDE = 40
"""Cells a side of the coarse grid on which the stream of a river is solved."""


def pseudo_motion(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Makes up a motion for a photo.

    - Sky drifts to the right; where it is slower, real clips tell.
    - Lakes and seas do so too, more slowly towards the horizon; where land lies below them, on a
      shore, they turn towards it.
    - A river, water that widens towards the viewer, flows from its far end to its near one as a
      stream without eddies does: along the gradient of a harmonic function between its banks.
    - White water with upright streaks falls.

    Nothing slows down at a region's edge: :func:`~stylecinegan.motion.refinement.fall_off` does
    that, once the mask is known.

    Args:
        image: RGB, uint8, ``[H, W, 3]``.
        label: 0 static, 1 sky, 2 water, ``[H, W]``.

    Returns:
        (x, y), ``[2, H, W]``, float32, about 1 where it is fastest.
    """
    cv2 = load_opencv()
    motion = np.zeros((2, *label.shape), np.float32)
    sky = label == 1
    motion[0][sky] = 1.0
    # Photos of waterfalls look up at them and show little sky.
    falls = _falling(image, label == 2) * (sky.mean() < MOST_SKY)
    _, parts, statistics, _ = cv2.connectedComponentsWithStats((label == 2).astype(np.uint8))
    for number in range(1, len(statistics)):
        if statistics[number, cv2.CC_STAT_AREA] < LEAST_AREA * label.size:
            continue
        water = parts == number
        top = np.flatnonzero(water.any(axis=1)).min()
        speed = WATER_SPEED * _perspective(top, label.shape)
        is_river = _is_river(water) and not _meets(water, sky)
        direction = _along_banks(water) if is_river else _towards_shore(water, label)
        fall = falls if falls[water].mean() > LEAST_FALLING else np.zeros_like(falls)
        velocity = (1.0 - fall) * speed * direction
        velocity[1] += fall * FALL_SPEED
        motion[:, water] = velocity[:, water]
    return motion


def _perspective(horizon: int, shape: tuple[int, ...]) -> np.ndarray:
    """Speed that grows from the horizon to the picture's lower edge, ``[H, W]``."""
    height = shape[0]
    distance = np.arange(height) - horizon
    # What ends soon, as a far shore, stays slow.
    extent = max(height - 1 - horizon, 0.35 * height)
    nearness = np.clip(distance / (NEAR * extent), 0.0, 1.0)
    speed = HORIZON_SPEED + (1.0 - HORIZON_SPEED) * nearness
    return np.broadcast_to(speed[:, None], shape).astype(np.float32)


def _falling(image: np.ndarray, water: np.ndarray) -> np.ndarray:
    """How surely a place is falling water, ``[H, W]`` in [0, 1]."""
    if not water.any():
        return np.zeros(water.shape, np.float32)
    cv2 = load_opencv()
    size = water.shape[0] / 32
    colour = image.astype(np.float32)
    grey = colour.mean(axis=2)
    # Each place counts as what is around it within the water.
    weight = cv2.GaussianBlur(water.astype(np.float32), (0, 0), size) + 1e-3

    def around(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x.astype(np.float32) * water, (0, 0), size) / weight

    across = around(cv2.Sobel(grey, cv2.CV_32F, 1, 0) ** 2)
    down = around(cv2.Sobel(grey, cv2.CV_32F, 0, 1) ** 2)
    streaks = across / (across + down + FAINT)
    # A reflection is no brighter than the banks that it shows.
    bright = max(80.0, 1.1 * float(np.median(grey[~water]))) if not water.all() else 128.0
    pale = around((grey > bright) & (np.ptp(colour, axis=2) < 0.4 * colour.max(axis=2)))
    # Reflections stand upright too, but on water that reaches far to the sides.
    rows = water.sum(axis=1, keepdims=True) / water.shape[1]
    return _ramp(streaks, 0.48, 0.58) * _ramp(pale, 0.25, 0.5) * _ramp(-rows, -0.9, -0.7)


def _ramp(x: np.ndarray, low: float, high: float) -> np.ndarray:
    share = np.clip((x - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def _is_river(water: np.ndarray) -> bool:
    """Tells a river by its width: little at its far end, little for its length."""
    height, width = water.shape
    widths = water.sum(axis=1)
    rows = np.flatnonzero(widths)
    length = len(rows)
    if length < 0.25 * height:
        return False
    far, near = (widths[part].mean() for part in (rows[: length // 5], rows[-length // 3 :]))
    return bool(far < 0.5 * near and far < 0.3 * width and water.sum() < 0.9 * length**2)


def _meets(water: np.ndarray, sky: np.ndarray) -> bool:
    """Tells whether water ends at the sky, as a sea does, and not at land."""
    columns = np.flatnonzero(water.any(axis=0))
    above = np.maximum(water.argmax(axis=0) - 2, 0)
    return bool(sky[above[columns], columns].mean() > 0.25)


def _along_banks(water: np.ndarray) -> np.ndarray:
    """Unit vectors of a stream through a region, from its highest to its lowest part."""
    cv2 = load_opencv()
    height, width = water.shape
    coarse = cv2.resize(
        water.astype(np.float32), (GRID_SIDE, GRID_SIDE), interpolation=cv2.INTER_AREA
    )
    inside = coarse > 0.3
    rows = np.flatnonzero(inside.any(axis=1))
    row = np.arange(GRID_SIDE)[:, None]
    source = inside & (row <= rows.min())
    drain = inside & (row >= rows.max())
    potential = np.where(inside, (row - rows.min()) / max(np.ptp(rows), 1), 0.0)
    for _ in range(NUM_SWEEPS):
        total = np.zeros_like(potential)
        count = np.zeros_like(potential)
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            open_ = np.roll(inside, step, axis) & _no_wrap(axis, step)
            total += np.where(open_, np.roll(potential, step, axis), 0.0)
            count += open_
        mean = total / np.maximum(count, 1.0)
        # Banks let nothing through: what is outside is not averaged.
        potential = np.where(inside, mean, 0.0)
        potential[source], potential[drain] = 0.0, 1.0
    flow = np.stack([_difference(potential, inside, 1), _difference(potential, inside, 0)])
    flow = np.stack([_spread(part, inside) for part in flow])
    flow[0] *= width / height
    fine = np.stack([cv2.resize(part.astype(np.float32), (width, height)) for part in flow])
    return fine / np.maximum(np.hypot(*fine), 1e-6)


def _no_wrap(axis: int, step: int) -> np.ndarray:
    place = np.arange(GRID_SIDE)
    kept = place != (0 if step > 0 else GRID_SIDE - 1)
    return kept[:, None] if axis == 0 else kept[None, :]


def _difference(potential: np.ndarray, inside: np.ndarray, axis: int) -> np.ndarray:
    """Derivative inside a region; at its edge one-sided."""
    total = np.zeros_like(potential)
    for step in (1, -1):
        open_ = np.roll(inside, step, axis) & _no_wrap(axis, step)
        total += np.where(open_, step * (potential - np.roll(potential, step, axis)), 0.0)
    return total


def _spread(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Smooths values of a region and continues them beyond its edge."""
    cv2 = load_opencv()
    weight = cv2.GaussianBlur(inside.astype(np.float64), (0, 0), 1.0)
    return cv2.GaussianBlur(values * inside, (0, 0), 1.0) / np.maximum(weight, 1e-9)


def _towards_shore(water: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Unit vectors to the right that turn downwards above a shore in the foreground."""
    cv2 = load_opencv()
    height = water.shape[0]
    rows = np.arange(height)[:, None]
    bottom = np.where(water, rows, -1).max(axis=0)
    below = np.minimum(bottom + 2, height - 1)
    is_shore = (bottom > 0.5 * height) & (bottom < height - 2)
    is_shore &= label[below, np.arange(water.shape[1])] == 0
    near = np.exp(-np.maximum(bottom[None] - rows, 0) / (0.08 * height)) * is_shore
    turn = cv2.GaussianBlur(near.astype(np.float32), (0, 0), height / 32) * np.deg2rad(60.0)
    return np.stack([np.cos(turn), np.sin(turn)])
