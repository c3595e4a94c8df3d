"""Rows of a table: means, deviations and paired differences over clips."""

import math
from collections.abc import Iterable, Mapping

from stylecinegan.evaluation.report import Row

LABELS = ("row", "clip", "photo", "moving share")
"""Keys of an entry that are not metrics."""


def mean_rows(details: Iterable[Mapping], names: Iterable[str]) -> list[Row]:
    """Means over the clips by row; missing values are ignored."""
    details = list(details)
    rows: list[Row] = []
    for name in names:
        numbers = _columns(details, name)
        row: dict[str, str | float] = {"row": name}
        row |= {key: sum(values.values()) / len(values) for key, values in numbers.items()}
        rows.append(row)
    return rows


def deviations(details: Iterable[Mapping], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """Standard deviation over the clips (of a sample, n - 1), by row and column.

    A column with a single clip has none.
    """
    details = list(details)
    return {
        name: {
            key: deviation(list(values.values()))
            for key, values in _columns(details, name).items()
            if len(values) > 1
        }
        for name in names
    }


def paired_differences(details: Iterable[Mapping], names: Iterable[str]) -> list[Row]:
    """Paired differences of every row from the first, over clips.

    The variance between clips exceeds that between methods, which pairing removes.

    Returns:
        By row, for each column: mean difference ± standard error, and the number of clips on which
        the row's value is larger.
    """
    details = list(details)
    first, *others = names
    base = _columns(details, first)
    rows: list[Row] = []
    for name in others:
        row: dict[str, str | float] = {"row": f"{name} minus {first}"}
        for key, values in _columns(details, name).items():
            common = [clip for clip in values if clip in base.get(key, {})]
            gaps = [values[clip] - base[key][clip] for clip in common]
            if len(gaps) < 2:
                continue
            mean, error = sum(gaps) / len(gaps), deviation(gaps) / math.sqrt(len(gaps))
            larger = sum(gap > 0 for gap in gaps)
            row[key] = f"{mean:+.3g} ± {error:.2g} ({larger} of {len(gaps)})"
        rows.append(row)
    return rows


def deviation(values: list[float]) -> float:
    """Standard deviation of a sample, with n - 1."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _columns(details: list[Mapping], name: str) -> dict[str, dict[str, float]]:
    """A row's numbers by column and clip."""
    columns: dict[str, dict[str, float]] = {}
    for entry in details:
        if entry.get("row") == name:
            clip = entry.get("clip", entry.get("photo"))
            for key, value in entry.items():
                if key not in LABELS:
                    columns.setdefault(key, {})[str(clip)] = float(value)
    return columns
