"""Means, standard deviations and paired differences of a table's rows over clips or photos."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from stylecinegan.evaluation.report import Row

LABELS = ("row", "clip", "photo", "moving share")
"""Keys of an entry that are not metrics."""


def mean_rows(details: Iterable[Mapping], names: Iterable[str]) -> list[Row]:
    """Means of all metrics over the clips or photos; missing values are ignored.

    Args:
        details: An entry per row and clip: the row's name, the clip's name, and metrics.
        names: Names of the rows, in order.
    """
    details = list(details)
    rows: list[Row] = []
    for name in names:
        numbers = _columns(details, name)
        row: dict[str, str | float] = {"row": name}
        row |= {key: sum(values.values()) / len(values) for key, values in numbers.items()}
        rows.append(row)
    return rows


def deviations(details: Iterable[Mapping], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """Sample standard deviations (n - 1) over the clips or photos.

    Args:
        details: See :func:`mean_rows`.
        names: Names of the rows.

    Returns:
        Deviations by row and column; columns with a single value are left out.
    """
    details = list(details)
    return {
        name: {
            key: float(np.std(list(values.values()), ddof=1))
            for key, values in _columns(details, name).items()
            if len(values) > 1
        }
        for name in names
    }


def paired_differences(
    details: Iterable[Mapping], names: Iterable[str], references: Mapping[str, str] | None = None
) -> list[Row]:
    """Paired differences of all rows from the first, or from their references.

    Clips differ more than methods; pairing removes the variance between clips.

    Args:
        details: See :func:`mean_rows`.
        names: Names of the rows.
        references: Names of the rows to subtract, by name; the first one where there is none, or
            where it is not one of the rows.

    Returns:
        A row for each further method: mean difference ± standard error, and the number of clips on
        which its value is larger, as text.
    """
    details = list(details)
    first, *others = names
    rows: list[Row] = []
    for name in others:
        wanted = (references or {}).get(name)
        reference = wanted if wanted in others else first
        base = _columns(details, reference)
        row: dict[str, str | float] = {"row": f"{name} minus {reference}"}
        for key, values in _columns(details, name).items():
            common = [clip for clip in values if clip in base.get(key, {})]
            gaps = [values[clip] - base[key][clip] for clip in common]
            if len(gaps) < 2:
                continue
            mean, error = sum(gaps) / len(gaps), np.std(gaps, ddof=1) / math.sqrt(len(gaps))
            larger = sum(gap > 0 for gap in gaps)
            row[key] = f"{mean:+.3g} ± {error:.2g} ({larger} of {len(gaps)})"
        rows.append(row)
    return rows


def _columns(details: list[Mapping], name: str) -> dict[str, dict[str, float]]:
    """Numbers of a row, by column and clip."""
    columns: dict[str, dict[str, float]] = {}
    for entry in details:
        if entry.get("row") == name:
            clip = entry.get("clip", entry.get("photo"))
            for key, value in entry.items():
                if key not in LABELS:
                    columns.setdefault(key, {})[str(clip)] = float(value)
    return columns
