"""Detection of straight lines."""

import numpy as np
from torch import Tensor

from stylecinegan.io import load_opencv, to_uint8

LEAST_LENGTH = 0.04
"""Smallest length as a fraction of the longer side; bends of shorter lines are invisible."""

STEEPEST_LEAN = 25.0
"""Largest angle of an upright line from the vertical, in degrees."""


def find_lines(photo: Tensor) -> np.ndarray:
    """Finds straight edges with a line segment detector (von Gioi et al. 2010).

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].

    Returns:
        Both ends (x, y) of each line in normalised coordinates, ``[L, 2, 2]``.
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
    """Whether lines are within 25 degrees of the vertical.

    Args:
        lines: Ends in normalised coordinates, ``[L, 2, 2]``.
        size: (height, width) of the picture.

    Returns:
        Boolean, ``[L]``.
    """
    run = np.abs(lines[:, 1] - lines[:, 0]) * (size[1], size[0])
    return run[:, 0] <= np.tan(np.deg2rad(STEEPEST_LEAN)) * run[:, 1]
