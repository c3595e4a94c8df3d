import pytest
import torch

from stylecinegan import Warping
from stylecinegan.appearance import StyleChange
from stylecinegan.appearance.keyframes import MAX_KEYFRAMES, interpolated
from stylecinegan.appearance.styled_photo import StyledPhoto
from stylecinegan.warping.photo_layer.moving_layer import MovingLayer
from tests.appearance.tiny import scene, tiny_model

MASK = torch.ones(1, 1, 16, 16)


class Path:
    """A grey picture whose value is a function of β; remembers what it was asked for."""

    def __init__(self, function):
        self.function = function
        self.asked = []

    def __call__(self, beta):
        self.asked.append(beta)
        photo = torch.full((1, 3, 16, 16), float(self.function(beta)))
        return StyledPhoto(photo, MASK, MovingLayer({10: photo}, photo, MASK))


def value(photo):
    return float(photo.photo.mean())


def test_a_straight_path_needs_three_keys_and_is_interpolated_between_them():
    path = Path(lambda beta: 0.4 * beta)
    style_of = interpolated(path, 0.0, 1.0)
    assert sorted(path.asked) == [0.0, 0.5, 1.0]
    assert value(style_of(0.3)) == pytest.approx(0.12)
    assert len(path.asked) == 3


def test_a_bend_is_halved_until_its_middle_is_within_1_of_255():
    path = Path(lambda beta: 0.2 * beta**2)
    # The middle of an interval of length h is wrong by 0.2 h² / 4: 6.4, 1.6 and 0.4 of 255.
    style_of = interpolated(path, 0.0, 1.0)
    assert sorted(path.asked) == [k / 8 for k in range(9)]
    for k in range(101):
        assert abs(value(style_of(k / 100)) - 0.2 * (k / 100) ** 2) * 127.5 <= 1.0


def test_key_values_themselves_are_exact():
    path = Path(lambda beta: beta**2)
    style_of = interpolated(path, 0.0, -1.5)
    for beta in (0.0, -0.75, -1.5):
        assert value(style_of(beta)) == pytest.approx(beta**2, abs=0.0, rel=1e-7)


def test_one_value_of_beta_needs_one_key():
    path = Path(lambda beta: beta)
    assert value(interpolated(path, 0.75, 0.75)(0.75)) == 0.75
    assert path.asked == [0.75]


def test_a_path_that_no_number_of_keys_follows_is_computed_exactly(caplog):
    path = Path(lambda beta: 0.9 * (round(beta * 1e6) % 2))
    style_of = interpolated(path, 0.0, 1e-6 * 1023)
    assert len(path.asked) <= MAX_KEYFRAMES
    assert "every frame runs the generator" in caplog.text
    assert value(style_of(1e-6)) == pytest.approx(0.9)


@pytest.mark.parametrize("name", ["generate", "paper"])
def test_frames_between_keys_stay_within_1_of_255_of_the_exact_ones(name):
    model = tiny_model()
    photo, arguments = scene()
    arguments["warping"] = Warping() if name == "generate" else Warping.of_the_paper()
    target = model.generator.sample_w_plus(3, truncation=1.0)
    quick, exact = (
        model.animate(photo, 9, **arguments, style=StyleChange(target, 1.5, use_exact=use_exact))
        for use_exact in (False, True)
    )
    errors = [
        float((a - b).abs().mean()) * 127.5 for a, b in zip(quick.frames, exact.frames, strict=True)
    ]
    assert errors[0] == 0.0
    assert max(errors) <= 1.0
    assert max(errors) > 0.0  # they are interpolated indeed
