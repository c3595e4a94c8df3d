import pytest

from stylecinegan.errors import InputError
from stylecinegan.motion.controls.text import Instruction, parse_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "clouds drift left, river flows down-right, slow",
            [
                Instruction("sky", (-1.0, 0.0)),
                Instruction("water", (1.0, 1.0)),
                Instruction(None, None, 0.5),
            ],
        ),
        ("The sky moves to the right.", [Instruction("sky", (1.0, 0.0))]),
        (
            "clouds go left and the river goes right",
            [Instruction("sky", (-1.0, 0.0)), Instruction("water", (1.0, 0.0))],
        ),
        (
            "clouds and water move up",
            [Instruction("sky", (0.0, -1.0)), Instruction("water", (0.0, -1.0))],
        ),
        ("the waterfall falls fast", [Instruction("waterfall", (0.0, 1.0), 2.0)]),
        ("waterfall falls", [Instruction("waterfall", (0.0, 1.0))]),
        ("the fountain rises slowly", [Instruction("fountain", (0.0, -1.0), 0.5)]),
        ("sea rolls in", [Instruction("water", None, approach=1)]),
        ("the tide goes out slowly", [Instruction("water", None, 0.5, approach=-1)]),
        ("waves run towards the shore", [Instruction("water", None, approach=1)]),
        ("clouds move in the sky to the left", [Instruction("sky", (-1.0, 0.0))]),
        ("clouds still", [Instruction("sky", None, 0.0)]),
        ("very slow", [Instruction(None, None, 0.25)]),
        ("sky stays still while the sea moves left",
         [Instruction("sky", None, 0.0), Instruction("water", (-1.0, 0.0))]),
        ("everything drifts down and left", [Instruction(None, (-1.0, 1.0))]),
    ],
)  # fmt: skip
def test_descriptions_are_parsed(text, expected):
    assert parse_text(text) == expected


def test_the_message_about_an_unknown_word_lists_the_known_ones():
    with pytest.raises(InputError, match=r"unknown word 'sideways' in text; known are .*clouds"):
        parse_text("clouds drift sideways")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("river left right", "two directions at once"),
        ("the sea rolls in to the left", "two directions at once"),
        ("the river", "neither where nor how fast in 'the river'"),
        ("the and of", "must say what moves"),
        ("very left", "'very' must stand before a speed word"),
    ],
)
def test_contradictory_or_empty_descriptions_are_refused(text, reason):
    with pytest.raises(InputError, match=reason):
        parse_text(text)
