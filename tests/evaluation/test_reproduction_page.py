"""The numbers that docs/reproduction.md quotes are those that the commands printed."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NUMBER = r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?"


def rows(text):
    """Cells of the rows of all tables, by their first cell, with the heads of their columns."""
    heads = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if not line.startswith("|"):
            heads = []
        elif not heads:
            heads = cells
        elif not cells[0].startswith("---"):
            yield cells[0], dict(zip(heads[-len(cells) + 1 :], cells[1:], strict=False))


def numbers(cell):
    return [float(found) for found in re.findall(NUMBER, cell)]


def is_rounded(shown, printed):
    """Whether a number as it is shown is one of the printed ones, rounded."""
    half = 0.5 * 10.0 ** -len(shown.partition(".")[2])
    return any(abs(value - float(shown)) <= half * 1.001 for value in printed)


@pytest.mark.parametrize("name", ["1", "4", "5"])
def test_quoted_numbers_are_those_that_the_command_printed(name):
    page = (DOCS / "reproduction.md").read_text(encoding="utf-8")
    section = re.split(rf"^## Table {name}:.*$", page, flags=re.M)[1].split("\n## ")[0]
    printed = {}
    for file in sorted((DOCS / "tables").glob(f"table_{name}*.md")):
        for row, cells in rows(file.read_text(encoding="utf-8")):
            # A difference stands under the name of its row.
            row = row.partition(" minus ")[0]
            printed.setdefault(row, []).extend(n for cell in cells.values() for n in numbers(cell))
    checked = 0
    for row, cells in rows(section):
        for head, cell in cells.items():
            if head.startswith("paper") or cell in ("", "-"):
                continue
            for shown in re.findall(NUMBER, cell):
                assert is_rounded(shown, printed[row]), f"{row}, {head}: {shown}"
                checked += 1
    assert checked >= 8


def test_the_page_has_at_most_1200_words():
    assert len((DOCS / "reproduction.md").read_text(encoding="utf-8").split()) <= 1200
