"""Fountains: which falling water is one, and how its jets rise and fall.

Seen upright, a jet slows down as it rises and speeds up as it falls, with the square root of the
distance below its top (Torricelli's law). The middle rises, the water around it falls.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.io import load_opencv

SIDE = 256
"""Longer side of the picture in which fountains are looked at."""

FREE_HEIGHT = 0.4
"""Upper share of a fountain that stands before the sky."""

LEAST_SHARE = 0.8
"""Share of sky to both sides and above that part, and of water around the foot."""

LEAST_SLENDERNESS = 2.0
"""Height of a fountain in widths of its upper part; breaking waves are wider."""

REACH = 3
"""Width of the surroundings that are looked at, in pixels of that picture."""

FOOT_SHARE = 0.3
"""Lower share of the height in which spray hides the rising water."""

UPRIGHT = 0.5
"""Of the upright against the direction of the outline, which counts at most 1."""

RISING_SHARE = 0.55
"""Share of the way from the middle of a jet to its edge within which it rises."""


def is_fountain(place: np.ndarray, sky: np.ndarray, water: np.ndarray) -> bool:
    """Whether falling water stands free, before the sky and in a pool; a fall hangs from rock.

    Args:
        place: Connected falling water, boolean ``[H, W]``.
        sky: Where sky is, boolean ``[H, W]``.
        water: Where water is, falling or not, boolean ``[H, W]``.
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


def rise_and_fall(place: Tensor) -> Tensor:
    """Velocity of a fountain's water, (x, y), at most 1 long, ``[1, 2, H, W]``.

    Args:
        place: Where the fountain is, boolean ``[H, W]`` of any size.
    """
    scale = min(1.0, SIDE / max(place.shape))
    size = [max(1, round(side * scale)) for side in place.shape]
    small = F.interpolate(place.float()[None, None], size, mode="nearest-exact")[0, 0] > 0.5
    velocity = torch.from_numpy(spout(small.cpu().numpy()))[None].to(place.device)
    return F.interpolate(velocity, place.shape, mode="bilinear")


def spout(place: np.ndarray) -> np.ndarray:
    """Velocity of a fountain's water, (x, y), at most 1 long, ``[2, H, W]``.

    Args:
        place: Where the fountain is, boolean ``[H, W]``; around it the water falls.
    """
    cv2 = load_opencv()
    # Below its outline everything counts as the fountain: neither its foot nor a border is an edge.
    under = np.maximum.accumulate(place, axis=0)
    framed = cv2.copyMakeBorder(under.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    half_width = _largest_of_run(distance)
    rising = 1.0 - (1.0 - distance / np.maximum(half_width, 1e-6)) / RISING_SHARE
    rows = np.flatnonzero(place.any(axis=1))
    above_foot = (rows.max() - np.arange(len(place))) / (FOOT_SHARE * len(rows))
    rising = np.minimum(rising, above_foot.clip(0.0, 1.0)[:, None])
    # Along lines of equal distance from the edge, downwards: drops fall outward, with the outline.
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
