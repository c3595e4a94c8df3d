"""Edge-preserving filtering guided by a colour picture (He, Sun and Tang 2010; 2015)."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.framing import limited_size
from stylecinegan.io import load_opencv

WORKING_SIDE = 512
"""Longer side at which the filter's coefficients are computed."""


def guided_filter(
    values: Tensor,
    guide: Tensor,
    *,
    radius: float,
    epsilon: float,
    working_side: int = WORKING_SIDE,
) -> Tensor:
    """Resizes a map to a picture's size so that its edges fall on the picture's.

    In every window the result is an affine function of the picture's colours. The coefficients
    are computed at a moderate size and applied at full size (the "fast" guided filter), so a large
    photo costs little. OpenCV computes on the CPU, at several times the speed of PyTorch there.

    Args:
        values: The map to filter, ``[1, 1, h, w]``, of any size.
        guide: The picture, ``[1, 3, H, W]`` in [0, 1].
        radius: Half the window's side, as a share of the longer side.
        epsilon: Variance below which the picture counts as flat and the map is averaged.
        working_side: Longer side at which the coefficients are computed.

    Returns:
        ``[1, 1, H, W]``, about the range of ``values``.
    """
    size = guide.shape[2:]
    small_size = limited_size(size, working_side)
    shrinks = small_size != tuple(size)
    small = F.interpolate(guide, small_size, mode="area") if shrinks else guide
    values = F.interpolate(values.to(small), small_size, mode="bilinear", antialias=True)
    window = max(1, round(radius * max(small_size)))
    colours = [np.ascontiguousarray(colour) for colour in small[0].float().cpu().numpy()]
    coefficients = _coefficients(values[0, 0].float().cpu().numpy(), colours, window, epsilon)
    means = np.stack([box_mean(part, window) for part in coefficients])
    affine = torch.from_numpy(means)[None].to(guide)
    if shrinks:
        affine = F.interpolate(affine, size, mode="bilinear")
    return (affine[:, :3] * guide).sum(dim=1, keepdim=True).add_(affine[:, 3:])


def box_mean(values: np.ndarray, radius: int) -> np.ndarray:
    """Mean over the part of a square window that lies inside the map, ``[H, W]``, float32."""
    cv2 = load_opencv()
    window = (2 * radius + 1, 2 * radius + 1)
    total = cv2.boxFilter(values, -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT)
    rows, columns = (_inside(side, radius) for side in values.shape)
    return total / (rows[:, None] * columns)


def _inside(side: int, radius: int) -> np.ndarray:
    """Number of the window's pixels that lie inside, around every position, ``[side]``."""
    position = np.arange(side, dtype=np.float32)
    first, last = np.maximum(position - radius, 0), np.minimum(position + radius, side - 1)
    return last - first + 1.0


def _coefficients(
    values: np.ndarray, colours: list[np.ndarray], radius: int, epsilon: float
) -> list[np.ndarray]:
    """Least-squares affine fit of the values by the colours, window by window.

    Returns:
        Three slopes and the offset, each ``[H, W]``.
    """
    mean_values = box_mean(values, radius)
    means = [box_mean(colour, radius) for colour in colours]
    covariances = [
        box_mean(colour * values, radius) - mean * mean_values
        for colour, mean in zip(colours, means, strict=True)
    ]
    a, b, c, d, e, f = (
        box_mean(colours[i] * colours[k], radius) - means[i] * means[k] + epsilon * (i == k)
        for i, k in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    )
    # The inverse of a symmetric 3x3 matrix by its cofactors; a batched solver is slower.
    cofactors = (
        (d * f - e * e, c * e - b * f, b * e - c * d),
        (c * e - b * f, a * f - c * c, b * c - a * e),
        (b * e - c * d, b * c - a * e, a * d - b * b),
    )
    determinant = a * cofactors[0][0] + b * cofactors[0][1] + c * cofactors[0][2]
    slopes = [
        sum(cofactor * covariance for cofactor, covariance in zip(row, covariances, strict=True))
        / determinant
        for row in cofactors
    ]
    offset = mean_values - sum(slope * mean for slope, mean in zip(slopes, means, strict=True))
    return [*slopes, offset]
