import math

import pytest

from stylecinegan.appearance.schedule import check_schedule, style_strength
from stylecinegan.errors import InputError


@pytest.mark.parametrize("maximum", [1.0, 2.5, -1.0])
@pytest.mark.parametrize("name", ["constant", "there_and_back", "hold"])
def test_schedules_are_periodic_and_symmetric_and_reach_their_maximum(name, maximum):
    assert style_strength(1.0, name, maximum) == style_strength(0.0, name, maximum)
    assert style_strength(0.5, name, maximum) == maximum
    strengths = [style_strength(t / 50, name, maximum) for t in range(50)]
    assert max(strengths, key=abs) == maximum
    assert strengths[1:] == pytest.approx(strengths[:0:-1])


def test_there_and_back_is_a_raised_cosine():
    assert style_strength(0.0, "there_and_back", 3.0) == 0.0
    assert style_strength(0.25, "there_and_back", 3.0) == pytest.approx(1.5)
    # (1 - cos 60°) / 2
    assert style_strength(1 / 6, "there_and_back", 1.0) == pytest.approx(0.25)


def test_hold_stays_at_the_maximum_for_half_of_the_loop():
    assert {style_strength(t / 100, "hold", 2.0) for t in range(25, 76)} == {2.0}
    assert style_strength(0.125, "hold", 2.0) == pytest.approx(1.0)
    assert style_strength(0.0, "hold", 2.0) == 0.0


def test_constant_is_the_maximum_throughout():
    assert {style_strength(t / 10, "constant", 0.7) for t in range(10)} == {0.7}


@pytest.mark.parametrize("name", ["there_and_back", "hold"])
def test_the_strength_starts_and_ends_smoothly(name):
    steps = [
        abs(style_strength((t + 1) / 120, name, 1.0) - style_strength(t / 120, name, 1.0))
        for t in range(120)
    ]
    assert steps[0] < 0.1 * max(steps)
    assert steps[-1] < 0.1 * max(steps)
    assert math.isclose(steps[0], steps[-1], rel_tol=1e-6)


def test_an_unknown_schedule_lists_the_known_ones():
    with pytest.raises(InputError, match="constant, there_and_back, hold, got sometimes"):
        check_schedule("sometimes")
