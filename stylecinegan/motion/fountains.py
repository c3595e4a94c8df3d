"""Detection of fountains, and the velocity of their water.

The speed at a distance h below the top of a jet is proportional to sqrt(h) (Torricelli's law). The
water in the middle rises, the water around it falls.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.framing import limited_size
from stylecinegan.io import load_opencv

SIDE = 256
"""Longer side of the picture in which fountains are analysed."""

FREE_HEIGHT = 0.4
"""Upper fraction of a fountain's height that must be surrounded by sky."""

LEAST_SHARE = 0.8
"""Smallest fraction of sky beside and above that part, and of water around the foot."""

LEAST_SLENDERNESS = 2.0
"""Smallest ratio of a fountain's height to the width of its upper part; waves are wider."""

REACH = 3
"""Width of the surroundings, in pixels of that picture."""

FOOT_SHARE = 0.3
"""Lower fraction of the height in which spray hides the rising water."""

UPRIGHT = 0.5
"""Weight of the vertical direction; that of the outline's direction is at most 1."""

RISING_SHARE = 0.55
"""Fraction of a jet's half-width within which water rises."""


def is_fountain(place: np.ndarray, sky: np.ndarray, water: np.ndarray) -> bool:
    """Whether falling water is a fountain: surrounded by sky above and by water at its foot.

    Args:
        place: A connected component of falling water, boolean ``[H, W]``.
        sky: Sky, boolean ``[H, W]``.
        water: Water, falling or not, boolean ``[H, W]``.
    """
    rows, columns = np.nonzero(place)
    top, height = int(rows.min()), int(np.ptp(rows)) + 1
    free = top + max(1, round(FREE_HEIGHT * height))
    if height < LEAST_SLENDERNESS * place[top:free].sum(axis=1).mean():
        return False

    def is_among(kind: np.ndarray, start: int, end: int, left: int, right: int) -> bool:
        window = np.s_[max(start, 0) : max(end, 0), max(left, 0) : max(right, 0)]
        around = kind[window][~place[window]]
        return around.size > 0 and around.mean() >= LEAST_SHARE

    jet = columns[rows < free]
    left, right = int(jet.min()), int(jet.max()) + 1
    foot = columns[rows >= top + height - 2]
    bottom = top + height
    return (
        is_among(sky, top - 2 * REACH, top - 1, left, right)
        and is_among(sky, top, free, left - 2 * REACH, left - 1)
        and is_among(sky, top, free, right + 1, right + 2 * REACH)
        and is_among(
            water, bottom, bottom + REACH, int(foot.min()) - 2 * REACH, int(foot.max()) + 2 * REACH
        )
    )


def resized_fountain_velocity(place: Tensor) -> Tensor:
    """Velocity of a fountain of any size, computed on a map of at most :data:`SIDE` pixels a side.

    Args:
        place: The fountain, boolean ``[H, W]``.

    Returns:
        (x, y), of length at most 1, ``[1, 2, H, W]``.
    """
    size = limited_size(place.shape, SIDE)
    small = F.interpolate(place.float()[None, None], size, mode="nearest-exact")[0, 0] > 0.5
    velocity = torch.from_numpy(fountain_velocity(small.cpu().numpy()))[None].to(place.device)
    return F.interpolate(velocity, place.shape, mode="bilinear")


def fountain_velocity(place: np.ndarray) -> np.ndarray:
    """Velocity of a fountain: upwards in the middle, downwards along the outline.

    Args:
        place: The fountain, boolean ``[H, W]``.

    Returns:
        (x, y), of length at most 1, ``[2, H, W]``, also defined beside the fountain.
    """
    cv2 = load_opencv()
    # Filled down to the picture's border, so that the foot does not count as outline.
    under = np.maximum.accumulate(place, axis=0)
    framed = cv2.copyMakeBorder(under.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    half_width = _largest_of_run(distance)
    rising = 1.0 - (1.0 - distance / np.maximum(half_width, 1e-6)) / RISING_SHARE
    rows = np.flatnonzero(place.any(axis=1))
    above_foot = (rows.max() - np.arange(len(place))) / (FOOT_SHARE * len(rows))
    rising = np.minimum(rising, above_foot.clip(0.0, 1.0)[:, None])
    # Downwards along lines of equal distance from the edge: water falls parallel to the outline.
    x, y = (cv2.Sobel(distance, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    down = np.stack([-y * np.sign(x), np.abs(x) + UPRIGHT])
    down /= np.hypot(*down)
    below_top = _largest_of_run(under.cumsum(axis=0) * under)
    speed = np.sqrt(below_top / max(int(below_top[place].max()), 1)).clip(max=1.0)
    velocity = -rising.clip(-1.0, 1.0) * speed * down
    return np.stack([cv2.GaussianBlur(part.astype(np.float32), (0, 0), 1.0) for part in velocity])


def _largest_of_run(values: np.ndarray) -> np.ndarray:
    """Largest value of each run of positive values along a row, ``[H, W]``."""
    result = np.zeros_like(values)
    for row, largest in zip(values, result, strict=True):
        edges = np.flatnonzero(np.diff(row > 0, prepend=False, append=False))
        for start, end in edges.reshape(-1, 2):
            largest[start:end] = row[start:end].max()
    return result
