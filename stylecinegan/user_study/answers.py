"""Answers of a user study, read from the participants' files."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylecinegan.errors import InputError
from stylecinegan.user_study.study import KEY_FILE

CRITERIA = {"static consistency": "static_consistency", "motion quality": "motion_quality"}
"""Columns of the answers, by the paper's names of the criteria."""


@dataclass(frozen=True)
class Score:
    """Score of one video by one participant.

    Attributes:
        participant: Code of the participant.
        clip: The clip's name.
        method: Method that made the video.
        criterion: One of :data:`CRITERIA`.
        value: 1 (very bad) to 5 (very good).
    """

    participant: str
    clip: str
    method: str
    criterion: str
    value: int


@dataclass(frozen=True)
class Preference:
    """Choice between two videos by one participant.

    Attributes:
        participant: Code of the participant.
        clip: The clip's name.
        other: The method that ours was compared with.
        criterion: One of :data:`CRITERIA`.
        is_ours: Whether ours was chosen.
    """

    participant: str
    clip: str
    other: str
    criterion: str
    is_ours: bool


@dataclass(frozen=True)
class Answers:
    """All answers to a study.

    Attributes:
        ours: Our method's name.
        methods: All methods' names, ours last.
        scores: All scores, in the order of the files.
        preferences: All choices, in the order of the files.
    """

    ours: str
    methods: list[str]
    scores: list[Score]
    preferences: list[Preference]


def read_answers(study: str | Path, answers: str | Path) -> Answers:
    """Reads saved answers and looks up the methods of their videos.

    Answers that a participant saved several times, e.g. as JSON and CSV, count once.

    Args:
        study: Folder written by ``stylecinegan user_study``.
        answers: Folder of the saved ``.json`` and ``.csv`` files, or one of them.

    Raises:
        InputError: If there are no answers, or a file is damaged, belongs to another study or
            contradicts another file of the same participant.
    """
    key = _read_key(Path(study))
    rows: dict[tuple[str, str, frozenset[str]], dict[str, str]] = {}
    result = Answers(key["ours"], key["methods"], [], [])
    for path in _find_files(Path(answers)):
        for row in _read_rows(path):
            _check_row(row, key, path)
            videos = frozenset({row["first"], row["second"]})
            question = (row["participant"], row["task"], videos)
            known = rows.get(question)
            if known is None:
                rows[question] = row
                _add_row(result, row, key["videos"])
            elif _choices(known) != _choices(row):
                raise InputError(
                    f"{path}: participant {row['participant']} answers question {row['number']} "
                    "differently from an earlier file; wanted a code of their own for everybody"
                )
    return result


def _read_key(study: Path) -> dict[str, Any]:
    path = study / KEY_FILE
    if not path.is_file():
        raise InputError(f"wanted a study with its {KEY_FILE} in {study}, found none")
    return json.loads(path.read_text("utf-8"))


def _find_files(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    chosen = [file for file in files if file.suffix.lower() in (".json", ".csv") and file.is_file()]
    if not chosen:
        raise InputError(f"wanted answers (.json or .csv) in {path}, found none")
    return chosen


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".csv":
            return list(csv.DictReader(text.splitlines()))
        return [
            {name: str(value) for name, value in row.items()} for row in json.loads(text)["answers"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: wanted saved answers, found other data") from error


def _check_row(row: Mapping[str, str], key: Mapping[str, Any], path: Path) -> None:
    """Checks that a row answers a question of the study with an allowed value."""
    columns = ("study", "participant", "number", "task", "first", "second", *CRITERIA.values())
    if missing := [column for column in columns if row.get(column) is None]:
        raise InputError(f"cannot read {path}: wanted saved answers, found no {missing[0]}")
    if row["study"] != key["study"]:
        raise InputError(f"{path} answers the study {row['study']}, wanted {key['study']}")
    allowed = {"score": set("12345"), "pair": {"first", "second"}}.get(row["task"])
    videos = [row["first"]] if row["task"] == "score" else [row["first"], row["second"]]
    is_known = allowed is not None and all(video in key["videos"] for video in videos)
    for column in CRITERIA.values():
        if allowed is None or not is_known or row[column] not in allowed:
            raise InputError(
                f"{path}: question {row['number']} is no question of this study with an answer "
                f"to it, found {row['task']} {column} = {row[column]}"
            )


def _choices(row: Mapping[str, str]) -> list[str]:
    """Score or chosen video by criterion, independent of the videos' sides."""
    return [row.get(row[column], row[column]) for column in CRITERIA.values()]


def _add_row(
    answers: Answers, row: Mapping[str, str], videos: Mapping[str, Mapping[str, str]]
) -> None:
    clip = videos[row["first"]]["clip"]
    for criterion, column in CRITERIA.items():
        if row["task"] == "score":
            method = videos[row["first"]]["method"]
            score = Score(row["participant"], clip, method, criterion, int(row[column]))
            answers.scores.append(score)
        else:
            methods = [videos[row[side]]["method"] for side in ("first", "second")]
            (other,) = (method for method in methods if method != answers.ours)
            is_ours = videos[row[row[column]]]["method"] == answers.ours
            answers.preferences.append(
                Preference(row["participant"], clip, other, criterion, is_ours)
            )
