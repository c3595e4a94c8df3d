"""Text control of motion: "clouds drift left, river flows down-right, slow"."""

import re
from dataclasses import dataclass
from typing import TypeVar

from stylecinegan.errors import InputError

Meaning = TypeVar("Meaning")


def _mean(meaning: Meaning, words: str) -> dict[str, Meaning]:
    return dict.fromkeys(words.split(), meaning)


_SIDES = {
    **_mean((1.0, 0.0), "right rightward rightwards"),
    **_mean((-1.0, 0.0), "left leftward leftwards"),
    **_mean((0.0, 1.0), "down downward downwards fall falls falling"),
    **_mean((0.0, -1.0), "up upward upwards rise rises rising"),
}
"""Directions (x, y), y down, by word; several in one clause are added."""

_APPROACHES = {
    **_mean(1, "ashore inland shoreward shorewards shore beach coast viewer camera closer nearer"),
    **_mean(-1, "seaward seawards offshore horizon recede recedes receding"),
}
"""Words for motion towards the viewer, 1, and away, -1."""

_COMING = re.compile(
    r"\b(rolls?|rolling|comes?|coming|wash(?:es)?|washing|flows?|flowing|moves?|moving|goes|go"
    r"|runs?|running|drifts?|drifting)\s+(?:back\s+)?(in|out|away)\b(?!\s+(?:the|a|an)\b)"
)
""" "The sea rolls in", but not "clouds move in the sky"."""

_REGIONS: dict[str, str | None] = {
    **_mean("sky", "sky skies cloud clouds aurora stars fog mist haze smoke"),
    **_mean("water", "water river rivers stream creek brook sea ocean lake pond bay"),
    **_mean("water", "rapids wave waves surf tide swell"),
    **_mean("waterfall", "waterfall waterfalls cascade cascades"),
    **_mean("fountain", "fountain fountains"),
    **_mean(None, "everything all both"),
}

_SPEEDS = {
    **_mean(0.0, "still static frozen rests stops"),
    **_mean(0.5, "slow slowly slower gently gentle calm calmly lazily"),
    **_mean(1.0, "normal normally"),
    **_mean(2.0, "fast faster quick quickly rapidly swiftly"),
}
"""Speed factors by word."""

_STRENGTHS = _mean(2.0, "very much")
"""Exponents of a speed factor: "very slow" is the square of "slow"."""

_FILLERS = _mean(
    None,
    "a an the and is are be to of in on it its with at toward towards move moves moving motion "
    "flow flows flowing drift drifts drifting float floats run runs running go goes going pass "
    "passes blow blows stay stays remain remains speed should must please roll rolls rolling come "
    "comes coming wash washes washing onto from keep keeps",
)


@dataclass(frozen=True)
class Instruction:
    """Request of one clause.

    Attributes:
        region: ``"sky"``, ``"water"``, ``"waterfall"``, ``"fountain"``, or ``None`` for everything
            that moves.
        direction: (x, y), y down, or ``None`` where none was said.
        speed: Factor of the speed.
        approach: 1 for towards the viewer (the sea rolls in), -1 for away, 0 where neither was
            said.
    """

    region: str | None
    direction: tuple[float, float] | None
    speed: float = 1.0
    approach: int = 0

    @property
    def is_fountain(self) -> bool:
        """Whether water shall rise in the middle and fall around it."""
        return self.region == "fountain" and self.direction == (0.0, -1.0)


def parse_text(text: str) -> list[Instruction]:
    """Parses a text.

    Clauses end at a comma, a semicolon, a full stop, "while" or "but", and where something else
    begins to move ("clouds go left and the river goes right"). A clause that names nothing is
    about everything: in "clouds drift left, river flows down-right, slow" all is slow.

    Args:
        text: Plain English.

    Returns:
        The instructions in order; a later one wins over an earlier one.

    Raises:
        InputError: If a word is unknown, a clause contradicts itself, or nothing is asked for.
    """
    instructions: list[Instruction] = []
    plain = _COMING.sub(lambda found: "ashore" if found[2] == "in" else "seaward", text.lower())
    for clause in re.split(r"[,;.!]|\bwhile\b|\bbut\b", plain):
        for words in _split_at_subjects(re.findall(r"[^\s\-]+", clause)):
            instructions += _read_clause(words)
    if not instructions:
        raise InputError(f"text must say what moves where or how fast, got '{text}'")
    return instructions


def asks_for_fountain(text: str) -> bool:
    """Whether a text wants water to rise as a fountain."""
    return bool(text.strip()) and any(request.is_fountain for request in parse_text(text))


def _split_at_subjects(words: list[str]) -> list[list[str]]:
    """Splits a clause where it names another subject after a request."""
    clauses: list[list[str]] = [[]]
    was_named = was_said = False
    for word in words:
        if word in _REGIONS:
            if was_named and was_said:
                clauses.append([])
                was_said = False
            was_named = True
        was_said |= word in _SIDES or word in _SPEEDS or word in _APPROACHES
        clauses[-1].append(word)
    return clauses


def _read_clause(words: list[str]) -> list[Instruction]:
    regions: list[str | None] = []
    sides: list[tuple[float, float]] = []
    approaches: set[int] = set()
    speed, strength, has_speed = 1.0, 1.0, False
    for word in words:
        if word in _REGIONS:
            regions.append(_REGIONS[word])
        elif word in _SIDES:
            sides.append(_SIDES[word])
        elif word in _APPROACHES:
            approaches.add(_APPROACHES[word])
        elif word in _STRENGTHS:
            strength *= _STRENGTHS[word]
        elif word in _SPEEDS:
            speed *= _SPEEDS[word] ** strength
            strength, has_speed = 1.0, True
        elif word not in _FILLERS:
            raise InputError(f"unknown word '{word}' in text; known are {_known_words()}")
    if strength != 1.0:
        raise InputError(f"'very' must stand before a speed word, got '{' '.join(words)}'")
    x, y = (sum(side[axis] for side in set(sides)) for axis in (0, 1))
    if (sides and x == y == 0) or len(approaches) > 1 or (sides and approaches):
        raise InputError(f"text wants two directions at once in '{' '.join(words)}'")
    if not sides and not approaches and not has_speed:
        if regions:
            raise InputError(f"text says neither where nor how fast in '{' '.join(words)}'")
        return []
    direction = (x, y) if sides else None
    return [
        Instruction(region, direction, speed, sum(approaches))
        for region in dict.fromkeys(regions or [None])
    ]


def _known_words() -> str:
    groups = (_SIDES, _APPROACHES, _REGIONS, [*_STRENGTHS, *_SPEEDS], _FILLERS)
    return "; ".join(" ".join(group) for group in groups)
