"""Straight lines of a picture, by their ends."""

import numpy as np
from torch import Tensor

from stylecinegan.io import load_opencv, to_uint8

LEAST_LENGTH = 0.04
"""Of the longer side: shorter ones show no bend."""

STEEPEST_LEAN = 25.0
"""Degrees from upright up to which a line is one of something that stands."""


def find_lines(photo: Tensor) -> np.ndarray:
    """Finds straight edges with a line segment detector (von Gioi et al. 2010).

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].

    Returns:
        ``[L, 2, 2]``: both ends of each, (x, y) in shares of the width and height.
    """
    cv2 = load_opencv()
    height, width = photo.shape[2:]
    grey = cv2.cvtColor(to_uint8(photo).numpy(), cv2.COLOR_RGB2GRAY)
    found = cv2.createLineSegmentDetector(0).detect(grey)[0]
    if found is None:
        return np.zeros((0, 2, 2))
    ends = found.reshape(-1, 2, 2).astype(np.float64)
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    return ends[lengths >= LEAST_LENGTH * max(height, width)] / (width, height)


def are_upright(lines: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Tells the lines of things that stand, ``[L]``.

    Args:
        lines: Ends in shares, ``[L, 2, 2]``.
        size: (height, width) of the picture.
    """
    run = np.abs(lines[:, 1] - lines[:, 0]) * (size[1], size[0])
    return run[:, 0] <= np.tan(np.deg2rad(STEEPEST_LEAN)) * run[:, 1]
