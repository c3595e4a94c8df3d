import pytest
import torch

from stylecinegan.appearance.interpolation import choose_style_layers, interpolate_codes
from stylecinegan.errors import InputError

ZEROS, ONES = torch.zeros(1, 14, 2), torch.ones(1, 14, 2)


def test_only_the_code_of_the_chosen_layer_is_interpolated():
    styled = interpolate_codes(ZEROS, 8 * ONES, 0.25, [12])
    # Layer 12 has code number 10: layer 2 is the first that takes one.
    assert styled[0, :, 0].tolist() == [0.0] * 10 + [2.0] + [0.0] * 3


def test_the_last_layer_includes_the_code_of_its_to_rgb_layer():
    styled = interpolate_codes(ZEROS, ONES, 1.0, [13, 14])
    assert styled[0, :, 0].tolist() == [0.0] * 11 + [1.0] * 3


@pytest.mark.parametrize("strength", [1.5, -0.5])
def test_strengths_beyond_the_two_styles_extrapolate(strength):
    assert interpolate_codes(ZEROS, ONES, strength, [11])[0, 9].tolist() == [strength] * 2


def test_the_codes_of_the_photo_are_not_modified():
    codes = ZEROS.clone()
    interpolate_codes(codes, ONES, 1.0, [11])
    assert torch.equal(codes, ZEROS)


def test_by_default_all_layers_after_the_deep_feature_take_the_style():
    assert choose_style_layers(None, 14) == [11, 12, 13, 14]
    assert choose_style_layers(None, 18) == list(range(11, 19))


@pytest.mark.parametrize("layers", [[10, 12], [15], [], ["a"]])
def test_layers_without_interpolated_codes_are_refused(layers):
    with pytest.raises(InputError, match=r"style_layers must be layers from 11 to 14, got \["):
        choose_style_layers(layers, 14)
