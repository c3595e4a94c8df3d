"""Text control of motion: "clouds drift left, river flows down-right, slow"."""

import re
from dataclasses import dataclass
from typing import TypeVar

from stylecinegan.errors import InputError

Meaning = TypeVar("Meaning")


def _lexicon(meaning: Meaning, words: str) -> dict[str, Meaning]:
    """One meaning for each of several words."""
    return dict.fromkeys(words.split(), meaning)


_SIDES = {
    **_lexicon((1.0, 0.0), "right rightward rightwards"),
    **_lexicon((-1.0, 0.0), "left leftward leftwards"),
    **_lexicon((0.0, 1.0), "down downward downwards fall falls falling"),
    **_lexicon((0.0, -1.0), "up upward upwards rise rises rising"),
}
"""Directions (x, y), y down, by word; several in one clause are added."""

_APPROACHES = {
    **_lexicon(
        1, "ashore inland shoreward shorewards shore beach coast viewer camera closer nearer"
    ),
    **_lexicon(-1, "seaward seawards offshore horizon recede recedes receding"),
}
"""Words for motion towards the viewer, 1, and away, -1."""

_APPROACH_PHRASES = re.compile(
    r"\b(rolls?|rolling|comes?|coming|wash(?:es)?|washing|flows?|flowing|moves?|moving|goes|go"
    r"|runs?|running|drifts?|drifting)\s+(?:back\s+)?(in|out|away)\b(?!\s+(?:the|a|an)\b)"
)
"""Verbs with "in", "out" or "away": "the sea rolls in", but not "clouds move in the sky"."""

_REGIONS: dict[str, str | None] = {
    **_lexicon("sky", "sky skies cloud clouds aurora stars fog mist haze smoke"),
    **_lexicon("water", "water river rivers stream creek brook sea ocean lake pond bay"),
    **_lexicon("water", "rapids wave waves surf tide swell"),
    **_lexicon("waterfall", "waterfall waterfalls cascade cascades"),
    **_lexicon("fountain", "fountain fountains"),
    **_lexicon(None, "everything all both"),
}

_SPEEDS = {
    **_lexicon(0.0, "still static frozen rests stops"),
    **_lexicon(0.5, "slow slowly slower gently gentle calm calmly lazily"),
    **_lexicon(1.0, "normal normally"),
    **_lexicon(2.0, "fast faster quick quickly rapidly swiftly"),
}
"""Speed factors by word."""

_STRENGTHS = _lexicon(2.0, "very much")
"""Exponents of a speed factor: "very slow" is the square of "slow"."""

_FILLERS = _lexicon(
    None,
    "a an the and is are be to of in on it its with at toward towards move moves moving motion "
    "flow flows flowing drift drifts drifting float floats run runs running go goes going pass "
    "passes blow blows stay stays remain remains speed should must please roll rolls rolling come "
    "comes coming wash washes washing onto from keep keeps",
)


@dataclass(frozen=True)
class Instruction:
    """Direction and speed that a clause asks of a region.

    Attributes:
        region: ``"sky"``, ``"water"``, ``"waterfall"``, ``"fountain"``, or ``None`` for everything
            that moves.
        direction: (x, y), y down, or ``None`` if not given.
        speed: Factor of the speed.
        approach: 1 for towards the viewer (the sea rolls in), -1 for away, 0 if not given.
    """

    region: str | None
    direction: tuple[float, float] | None
    speed: float = 1.0
    approach: int = 0

    @property
    def is_fountain(self) -> bool:
        """Whether water is to rise in the middle and fall around it."""
        return self.region == "fountain" and self.direction == (0.0, -1.0)


def parse_text(text: str) -> list[Instruction]:
    """Parses a description of motion.

    Clauses end at a comma, a semicolon, a full stop, "while" or "but", and where another region is
    named after a request ("clouds go left and the river goes right"). A clause that names no region
    applies to all: in "clouds drift left, river flows down-right, slow" everything is slow.

    Args:
        text: Plain English.

    Returns:
        The instructions in order; a later one wins over an earlier one.

    Raises:
        InputError: If a word is unknown, a clause contradicts itself, or nothing is asked for.
    """
    instructions: list[Instruction] = []
    plain = _APPROACH_PHRASES.sub(
        lambda found: "ashore" if found[2] == "in" else "seaward", text.lower()
    )
    for clause in re.split(r"[,;.!]|\bwhile\b|\bbut\b", plain):
        for words in _split_at_regions(re.findall(r"[^\s\-]+", clause)):
            instructions += _read_clause(words)
    if not instructions:
        raise InputError(f"text must say what moves where or how fast, got '{text}'")
    return instructions


def asks_for_fountain(text: str) -> bool:
    """Whether a text asks for a rising fountain."""
    return bool(text.strip()) and any(request.is_fountain for request in parse_text(text))


def _split_at_regions(words: list[str]) -> list[list[str]]:
    """Splits a clause where it names another region after a direction or speed."""
    clauses: list[list[str]] = [[]]
    names_region = has_request = False
    for word in words:
        if word in _REGIONS:
            if names_region and has_request:
                clauses.append([])
                has_request = False
            names_region = True
        has_request |= word in _SIDES or word in _SPEEDS or word in _APPROACHES
        clauses[-1].append(word)
    return clauses


def _read_clause(words: list[str]) -> list[Instruction]:
    """Instructions of one clause, one for each region that it names."""
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
