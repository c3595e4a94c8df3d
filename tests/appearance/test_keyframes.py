import pytest
import torch

from stylecinegan import Warping
from stylecinegan.appearance import StyleChange
from stylecinegan.appearance.keyframes import MAX_KEYFRAMES, interpolate_keyframes
from stylecinegan.appearance.styled_photo import StyledPhoto
from stylecinegan.warping.photo_layer.moving_layer import MovingLayer
from tests.appearance.scenes import scene
from tests.tiny_model import make_model

MASK = torch.ones(1, 1, 16, 16)


class GreyStyle:
    """A grey picture whose value is a function of β; records the β that it is called with."""

    def __init__(self, function):
        self.function = function
        self.betas = []

    def __call__(self, beta):
        self.betas.append(beta)
        photo = torch.full((1, 3, 16, 16), float(self.function(beta)))
        return StyledPhoto(photo, MASK, MovingLayer({10: photo}, photo, MASK))


def value(photo):
    return float(photo.photo.mean())


def test_a_linear_style_needs_three_keyframes():
    style_at = GreyStyle(lambda beta: 0.4 * beta)
    style_of = interpolate_keyframes(style_at, 0.0, 1.0)
    assert sorted(style_at.betas) == [0.0, 0.5, 1.0]
    assert value(style_of(0.3)) == pytest.approx(0.12)
    assert len(style_at.betas) == 3


def test_intervals_are_bisected_until_the_error_is_within_1_of_255():
    style_at = GreyStyle(lambda beta: 0.2 * beta**2)
    # The middle of an interval of length h is wrong by 0.2 h² / 4: 6.4, 1.6 and 0.4 of 255.
    style_of = interpolate_keyframes(style_at, 0.0, 1.0)
    assert sorted(style_at.betas) == [k / 8 for k in range(9)]
    for k in range(101):
        assert abs(value(style_of(k / 100)) - 0.2 * (k / 100) ** 2) * 127.5 <= 1.0


def test_keyframes_are_exact():
    style_at = GreyStyle(lambda beta: beta**2)
    style_of = interpolate_keyframes(style_at, 0.0, -1.5)
    for beta in (0.0, -0.75, -1.5):
        assert value(style_of(beta)) == pytest.approx(beta**2, abs=0.0, rel=1e-7)


def test_a_constant_strength_needs_one_keyframe():
    style_at = GreyStyle(lambda beta: beta)
    assert value(interpolate_keyframes(style_at, 0.75, 0.75)(0.75)) == 0.75
    assert style_at.betas == [0.75]


def test_styles_that_need_too_many_keyframes_are_rendered_exactly(caplog):
    style_at = GreyStyle(lambda beta: 0.9 * (round(beta * 1e6) % 2))
    style_of = interpolate_keyframes(style_at, 0.0, 1e-6 * 1023)
    assert len(style_at.betas) <= MAX_KEYFRAMES
    assert "every frame runs the generator" in caplog.text
    assert value(style_of(1e-6)) == pytest.approx(0.9)


@pytest.mark.parametrize("name", ["generate", "paper"])
def test_interpolated_frames_are_within_1_of_255_of_the_exact_ones(name):
    model = make_model()
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
