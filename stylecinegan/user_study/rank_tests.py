"""Rank tests of scores: Kruskal-Wallis over all groups, Dunn's test of the pairs afterwards."""

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
        first: A group.
        second: The other.
        z: The difference of their mean ranks by its standard error; above 0 if the first is higher.
        p: Two-sided, of this pair alone.
        adjusted: The same, adjusted for all pairs.
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
        H and its p-value (χ² with one degree of freedom less than there are groups); NaN if all
        values are equal.
    """
    if np.ptp(np.concatenate(list(groups.values()))) == 0:
        return math.nan, math.nan
    result = stats.kruskal(*groups.values())
    return float(result.statistic), float(result.pvalue)


def dunn(groups: Mapping[str, Sequence[float]], adjustment: Adjustment = "holm") -> list[PairTest]:
    """Dunn's test of all pairs (Dunn 1964), two-sided, with the correction for ties.

    Groups are ranked together, not pair by pair, so that the test belongs to Kruskal-Wallis.

    Args:
        groups: Values by group.
        adjustment: ``"bonferroni"`` multiplies each p-value by the number of pairs, ``"holm"``
            the smallest by it, the next by one less and so on, and is never weaker.

    Raises:
        InputError: If the adjustment is another.
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
    """Adjusts p-values for their number (arguments as of :func:`dunn`)."""
    if adjustment not in ("holm", "bonferroni"):
        raise InputError(f"adjustment must be holm or bonferroni, got {adjustment}")
    if adjustment == "bonferroni":
        return [min(1.0, p * len(ps)) for p in ps]
    adjusted = list(ps)
    largest = 0.0
    for rank, index in enumerate(np.argsort(ps)):
        largest = max(largest, min(1.0, ps[index] * (len(ps) - rank)))
        adjusted[index] = largest
    return adjusted
