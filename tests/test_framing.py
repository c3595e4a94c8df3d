from fractions import Fraction

import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.framing import Crop, choose_crop, covering_size, inner_size, parse_aspect, resize


def test_a_crop_contains_as_much_motion_as_possible_near_the_middle():
    amount = torch.zeros(1, 1, 40, 100)
    amount[..., 70:90] = 1.0
    amount[..., 5:20] = 0.5
    crop = choose_crop(amount, (40, 24))
    assert (crop.top, crop.height, crop.width) == (0, 40, 24)
    assert crop.of(amount).sum() == 20 * 40
    # Of the five that show all of it, the one nearest to the picture's middle.
    assert crop.left == 66


def test_a_crop_is_central_where_nothing_or_everything_moves():
    for amount in (torch.zeros(1, 1, 40, 100), torch.ones(1, 1, 40, 100)):
        assert choose_crop(amount, (20, 30)) == Crop(10, 35, 20, 30)


def test_a_crop_moves_to_rows_as_well_as_columns():
    amount = torch.zeros(1, 1, 50, 30)
    amount[:, :, 41:] = 1.0
    assert choose_crop(amount, (9, 30)) == Crop(41, 0, 9, 30)


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        ((1024, 1024), "9:16", (1024, 576)),
        ((1024, 1024), "16:9", (576, 1024)),
        ((1000, 1500), "1:1", (1000, 1000)),
        ((101, 57), "9:16", (100, 56)),
    ],
)
def test_the_inner_size_is_the_largest_of_its_aspect_with_even_sides(size, aspect, expected):
    assert inner_size(size, parse_aspect(aspect)) == expected


def test_a_photo_is_resized_to_cover_a_preset_with_one_side_equal():
    assert covering_size((600, 800), (1920, 1080)) == (1920, 2560)
    assert covering_size((3000, 1000), (1080, 1920)) == (5760, 1920)
    assert covering_size((1920, 1080), (1920, 1080)) == (1920, 1080)


@pytest.mark.parametrize("text", ["9/16", "0:1", "1.5", "9:16:4", "wide", "-9:16", "99999:1"])
def test_an_aspect_of_another_form_is_refused(text):
    with pytest.raises(InputError, match="WIDTH:HEIGHT as in 9:16"):
        parse_aspect(text)


def test_an_aspect_is_read_as_width_over_height():
    assert parse_aspect(" 16:9 ") == Fraction(16, 9)


def test_resizing_averages_what_it_shrinks_and_keeps_a_picture_of_the_wanted_size():
    stripes = torch.tensor([0.0, 1.0]).repeat(1, 1, 6, 6)  # every third pixel is 0, 1, 0, 1
    shrunken = resize(stripes, (2, 4))
    assert shrunken.shape == (1, 1, 2, 4)
    assert (shrunken - 0.5).abs().max() < 0.1
    assert resize(stripes, (6, 12)) is stripes
