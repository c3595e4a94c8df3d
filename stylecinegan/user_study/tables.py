"""Tables 2 and 3: scores and preferences of a user study."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from stylecinegan import StyleCineGAN
from stylecinegan.errors import InputError
from stylecinegan.evaluation.report import Row, Table
from stylecinegan.user_study.answers import CRITERIA, Score, read_answers
from stylecinegan.user_study.rank_tests import Adjustment, dunn, kruskal_wallis

PAPER_SCORES = {
    "AL": (1.59, 0.20, 1.76, 0.45),
    "EMF": (2.35, 0.89, 2.24, 0.99),
    "DL": (3.35, 0.83, 3.25, 0.67),
    "T2C": (3.75, 0.69, 2.96, 0.66),
    "Ours": (4.37, 0.18, 3.86, 0.53),
}
"""Table 2 of the paper: mean and ± of static consistency, mean and ± of motion quality."""

PAPER_PREFERENCES = {
    "vs AL": (99.35, 92.81),
    "vs EMF": (96.08, 86.93),
    "vs DL": (94.77, 84.97),
    "vs T2C": (77.78, 73.86),
}
"""Table 3 of the paper: preference for ours in percent, by criterion."""

# The paper reports 4.37 ± 0.18. Integer scores with that mean have a standard deviation of at least
# 0.48, so its ± must be that of means; the paper does not state of which.
SPREADS = {"over participants": "participant", "over clips": "clip"}
"""Units over whose mean scores the standard deviations are computed."""


def measure_scores(
    model: StyleCineGAN | None,
    output_dir: Path,
    *,
    study: str | Path,
    answers: str | Path,
    adjustment: Adjustment = "holm",
) -> Table:
    """Measures Table 2: mean ± standard deviation of the scores, and tests of their differences.

    The ± is the sample standard deviation of the participants' mean scores, and of the clips'. The
    Kruskal-Wallis test and Dunn's test of all pairs, both with the correction for ties, treat
    single scores as independent.

    Args:
        model: Not used.
        output_dir: Not used.
        study: Folder written by ``stylecinegan user_study``.
        answers: Folder of the participants' files, or one of them.
        adjustment: Adjustment of Dunn's p-values for multiple comparisons.

    Returns:
        The table, with one detail per score.

    Raises:
        InputError: If the answers cannot be used or a method has no score.
    """
    read = read_answers(study, answers)
    for method in read.methods:
        if not any(score.method == method for score in read.scores):
            raise InputError(f"wanted scores of every method in {answers}, found none of {method}")
    rows: list[dict[str, str | float]] = []
    for method in read.methods:
        row: dict[str, str | float] = {"row": method}
        for criterion in CRITERIA:
            chosen = _select(read.scores, method, criterion)
            row[criterion] = float(np.mean([score.value for score in chosen]))
            row |= {
                f"± {criterion}, {name}": _spread(chosen, attribute)
                for name, attribute in SPREADS.items()
            }
            row["scores"] = len(chosen)
        rows.append(row)
    rows += _test(read.scores, read.methods, adjustment)
    count = len({score.participant for score in read.scores})
    return Table(
        f"User study: scores 1 to 5 by {count} participants",
        rows,
        _paper_of_scores(),
        [asdict(score) for score in read.scores],
    )


def measure_preferences(
    model: StyleCineGAN | None, output_dir: Path, *, study: str | Path, answers: str | Path
) -> Table:
    """Measures Table 3: preference for ours in side-by-side comparisons, in percent.

    Args:
        model: Not used.
        output_dir: Not used.
        study: Folder written by ``stylecinegan user_study``.
        answers: Folder of the participants' files, or one of them.

    Returns:
        The table, with one detail per choice.

    Raises:
        InputError: If the answers cannot be used or nothing was compared.
    """
    read = read_answers(study, answers)
    if not read.preferences:
        raise InputError(f"wanted side-by-side answers in {answers}, found none")
    rows: list[Row] = []
    for other in (method for method in read.methods if method != read.ours):
        row: dict[str, str | float] = {"row": f"vs {other}"}
        for criterion in CRITERIA:
            chosen = [
                preference.is_ours
                for preference in read.preferences
                if preference.other == other and preference.criterion == criterion
            ]
            row[criterion] = 100.0 * sum(chosen) / len(chosen) if chosen else float("nan")
            row["choices"] = len(chosen)
        rows.append(row)
    count = len({preference.participant for preference in read.preferences})
    paper = {
        name: dict(zip(CRITERIA, values, strict=True)) for name, values in PAPER_PREFERENCES.items()
    }
    title = f"User study: {read.ours} preferred by {count} participants, in percent"
    return Table(title, rows, paper, [asdict(preference) for preference in read.preferences])


def _select(scores: Sequence[Score], method: str, criterion: str) -> list[Score]:
    """Scores of a method by a criterion."""
    return [score for score in scores if (score.method, score.criterion) == (method, criterion)]


def _spread(scores: Sequence[Score], attribute: str) -> float:
    """Sample standard deviation of participants' or clips' mean scores; NaN of a single one."""
    values: dict[str, list[int]] = defaultdict(list)
    for score in scores:
        values[getattr(score, attribute)].append(score.value)
    means = [np.mean(group) for group in values.values()]
    return float(np.std(means, ddof=1)) if len(means) > 1 else float("nan")


def _test(
    scores: Sequence[Score], methods: Sequence[str], adjustment: Adjustment
) -> list[dict[str, str | float]]:
    """Rows of the tests: H, its p-value and the adjusted p-value of every pair."""
    rows: dict[str, dict[str, str | float]] = defaultdict(dict)
    for criterion in CRITERIA:
        groups = {
            method: [float(score.value) for score in _select(scores, method, criterion)]
            for method in methods
        }
        statistic, p = kruskal_wallis(groups)
        rows[f"Kruskal-Wallis H, {len(groups) - 1} degrees of freedom"][criterion] = statistic
        rows["Kruskal-Wallis p"][criterion] = p
        for pair in dunn(groups, adjustment):
            name = f"Dunn p ({adjustment}), {pair.first} and {pair.second}"
            rows[name][criterion] = pair.adjusted
    return [{"row": name, **row} for name, row in rows.items()]


def _paper_of_scores() -> dict[str, dict[str, float]]:
    """The paper's Table 2 by row and column."""
    paper: dict[str, dict[str, float]] = {}
    for name, values in PAPER_SCORES.items():
        paper[name] = {}
        for criterion, mean, spread in zip(CRITERIA, values[::2], values[1::2], strict=True):
            paper[name] |= {criterion: mean}
            paper[name] |= {f"± {criterion}, {over}": spread for over in SPREADS}
    return paper
