"""Rank tests of scores: Kruskal-Wallis test of all groups, and Dunn's post-hoc test of pairs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import stats

from stylecinegan.errors import InputError

Adjustment = Literal["holm", "bonferroni"]


@dataclass(frozen=True)
class PairTest:
    """Dunn's test of two groups.

    Attributes:
        first: Name of a group.
        second: Name of the other.
        z: Difference of their mean ranks, divided by its standard error; positive if the first has
            the higher ranks.
        p: Two-sided p-value of this pair alone.
        adjusted: P-value adjusted for multiple comparisons.
    """

    first: str
    second: str
    z: float
    p: float
    adjusted: float


def kruskal_wallis(groups: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Kruskal-Wallis test, with the correction for ties.

    Args:
        groups: Values by group, at least two groups.

    Returns:
        H and its p-value by the χ² distribution with k - 1 degrees of freedom for k groups; NaN if
        all values are equal.
    """
    if np.ptp(np.concatenate(list(groups.values()))) == 0:
        return math.nan, math.nan
    result = stats.kruskal(*groups.values())
    return float(result.statistic), float(result.pvalue)


def dunn(groups: Mapping[str, Sequence[float]], adjustment: Adjustment = "holm") -> list[PairTest]:
    """Dunn's two-sided test of all pairs of groups (Dunn 1964), with the correction for ties.

    As in the Kruskal-Wallis test, the values of all groups are ranked together:
    ``z = (R_a - R_b) / sqrt((N (N + 1) / 12 - Σ (t³ - t) / (12 (N - 1))) (1/n_a + 1/n_b))`` with
    mean ranks R, N values, and t values in each tie.

    Args:
        groups: Values by group.
        adjustment: ``"bonferroni"`` multiplies each p-value by the number of pairs; ``"holm"``
            multiplies the smallest by it, the next by one less and so on.

    Raises:
        InputError: If the adjustment is unknown.
    """
    values = np.concatenate([np.asarray(group, dtype=float) for group in groups.values()])
    ranks = stats.rankdata(values)
    sizes = {name: len(group) for name, group in groups.items()}
    parts = np.split(ranks, np.cumsum(list(sizes.values()))[:-1])
    means = {name: part.mean() for name, part in zip(groups, parts, strict=True)}
    total = len(values)
    _, num_tied = np.unique(values, return_counts=True)
    ties = (num_tied**3 - num_tied).sum() / (12 * (total - 1))
    variance = total * (total + 1) / 12 - ties
    pairs = list(combinations(groups, 2))
    with np.errstate(invalid="ignore"):  # all values equal: 0 / 0
        zs = [
            float((means[a] - means[b]) / np.sqrt(variance * (1 / sizes[a] + 1 / sizes[b])))
            for a, b in pairs
        ]
    ps = [float(2 * stats.norm.sf(abs(z))) for z in zs]
    adjusted = adjust(ps, adjustment)
    return [
        PairTest(first, second, z, p, q)
        for (first, second), z, p, q in zip(pairs, zs, ps, adjusted, strict=True)
    ]


def adjust(ps: Sequence[float], adjustment: Adjustment) -> list[float]:
    """Adjusts p-values for multiple comparisons; arguments as for :func:`dunn`."""
    if adjustment not in ("holm", "bonferroni"):
        raise InputError(f"adjustment must be holm or bonferroni, got {adjustment}")
    # By NumPy, whose minimum and maximum of NaN are NaN.
    adjusted = np.array(ps, dtype=float)
    if adjustment == "bonferroni":
        adjusted = len(ps) * adjusted
    else:
        order = np.argsort(ps)
        adjusted[order] = np.maximum.accumulate(np.arange(len(ps), 0, -1) * adjusted[order])
    return np.minimum(1.0, adjusted).tolist()
