"""Tables of measurements, written as JSON lines and Markdown."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from stylecinegan.io.paths import replacing

Row = Mapping[str, str | float]
Method = TypeVar("Method")


@dataclass(frozen=True)
class Table:
    """A measured table.

    Attributes:
        title: Title with the data and the settings.
        rows: Numbers by column; the row's name is under ``"row"``.
        paper: The paper's numbers, by row and column.
        details: Measurements of single pictures or clips.
        deviations: Standard deviation over clips, photos or runs, by row and column.
        differences: Paired differences of the other rows from the first, shown below the table.
        seconds: Duration of the measurements, including earlier runs that were resumed.
    """

    title: str
    rows: Sequence[Row]
    paper: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    details: Sequence[Row] = ()
    deviations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    differences: Sequence[Row] = ()
    seconds: float | None = None


def name_rows(methods: Mapping[str, Method], names: Mapping[str, str] | None) -> dict[str, Method]:
    """Renames methods to the names of their rows.

    Methods have keys besides, because Hydra's command line can override and delete only keys
    without spaces and slashes.

    Args:
        methods: Methods by key.
        names: Names by key; a method without one keeps its key.
    """
    return {(names or {}).get(key, key): method for key, method in methods.items()}


def write_table(table: Table, directory: str | Path, context: Mapping[str, object]) -> str:
    """Writes ``table.md``, ``rows.jsonl`` and ``details.jsonl`` (a line per picture or clip).

    Args:
        table: The table.
        directory: Folder to write to; files of an earlier run are replaced.
        context: Further fields of every row: settings, commit.

    Returns:
        The Markdown text.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    text = to_markdown(table)
    _write(directory / "table.md", text)
    common = {"table": table.title, "seconds": table.seconds, **context}
    rows = [
        json.dumps({**row, "deviations": table.deviations.get(str(row["row"]), {}), **common})
        for row in table.rows
    ]
    _write(directory / "rows.jsonl", "".join(f"{line}\n" for line in rows))
    if table.details:
        details = [json.dumps(entry) for entry in table.details]
        _write(directory / "details.jsonl", "".join(f"{line}\n" for line in details))
    return text


def to_markdown(table: Table) -> str:
    """Formats a table as Markdown, with cells "ours ± deviation / paper (difference)"."""
    lines = [table.title, "", *_markdown_rows(table.rows, table)]
    if table.deviations:
        lines += ["", "± is the standard deviation over clips, photos or runs with other seeds."]
    if table.paper:
        lines += ["", "ours / paper (difference)"]
    if table.differences:
        lines += [
            "",
            "Differences clip by clip, ± standard error (clips on which it is larger):",
            "",
        ]
        lines += _markdown_rows(table.differences, Table("", ()))
    if table.seconds is not None:
        lines += ["", f"Measured in {table.seconds:.0f} s."]
    return "\n".join(lines) + "\n"


def _markdown_rows(rows: Sequence[Row], table: Table) -> list[str]:
    """Header and lines of rows, with the paper's numbers and deviations of a table."""
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "row"))
    lines = ["| | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    for row in rows:
        paper = table.paper.get(str(row["row"]), {})
        spread = table.deviations.get(str(row["row"]), {})
        cells = [_cell(row.get(name), paper.get(name), spread.get(name)) for name in columns]
        lines.append(f"| {row['row']} | " + " | ".join(cells) + " |")
    return lines


def _cell(ours: str | float | None, paper: float | None, spread: float | None) -> str:
    """A cell, "ours ± deviation / paper (difference)", as far as these are known."""
    if ours is None or isinstance(ours, str):
        return ours or "-"
    shown = "-" if math.isnan(ours) else f"{ours:.4g}"
    if spread is not None and not math.isnan(spread):
        shown += f" ± {spread:.2g}"
    if paper is None:
        return shown
    return f"{shown} / {paper:.4g} ({ours - paper:+.3g})"


def _write(path: Path, text: str) -> None:
    with replacing(path, {path.suffix}) as temporary:
        temporary.write_text(text, encoding="utf-8")
