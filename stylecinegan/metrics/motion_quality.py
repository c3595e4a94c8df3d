"""Metrics of motion."""

import torch
from torch import Tensor

NUM_ITERATIONS = 100
"""Iterations of Weiszfeld's algorithm."""

ROUNDING = 1e-4
"""Relative difference, of the largest value, up to which values are tied.

Speeds of a uniform motion differ only by rounding errors.
"""


def angles(motion: Tensor, expected: Tensor) -> Tensor:
    """Angles between vectors, in degrees; 90 for a zero motion, which has no direction.

    Args:
        motion: ``[2, K]``.
        expected: ``[2, K]``.

    Returns:
        ``[K]`` in [0, 180].
    """
    cross = motion[0] * expected[1] - motion[1] * expected[0]
    found = torch.atan2(cross.abs(), (motion * expected).sum(dim=0)).rad2deg()
    return torch.where((motion == 0).all(dim=0), 90.0, found)


def with_sign_of(motion: Tensor, expected: Tensor, number: Tensor) -> Tensor:
    """Reverses the motion of regions where that brings it closer to the expected one.

    Args:
        motion: ``[2, H, W]``.
        expected: ``[2, H, W]``.
        number: Region of each pixel, ``[H, W]``, from 0 on.
    """
    agreement = (motion * expected).sum(dim=0).flatten()
    sums = agreement.new_zeros(int(number.max()) + 1).index_add(0, number.flatten(), agreement)
    return motion * torch.where(sums < 0, -1.0, 1.0)[number]


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's rank correlation of ``[K]`` values, in [-1, 1]; 0 if either side is constant."""
    x, y = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    length = float(x.norm() * y.norm())
    return float(x @ y) / length if length > 0 else 0.0


def _ranks(values: Tensor) -> Tensor:
    """Ranks, ``[K]``; ties get their mean rank."""
    unit = (ROUNDING * values.abs().max()).clamp(min=torch.finfo(values.dtype).tiny)
    _, place, counts = (values / unit).round().unique(return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - 0.5 * (counts - 1))[place].double()


def geometric_median(vectors: Tensor, weights: Tensor) -> Tensor:
    """Point with the least weighted mean distance to vectors, by Weiszfeld's algorithm.

    Args:
        vectors: ``[2, K]``.
        weights: ``[K]``, not all 0.

    Returns:
        ``[2]``.
    """
    median = (vectors * weights).sum(dim=1) / weights.sum()
    for _ in range(NUM_ITERATIONS):
        near = weights / (vectors - median[:, None]).norm(dim=0).clamp(min=1e-4)
        median = (vectors * near).sum(dim=1) / near.sum()
    return median
