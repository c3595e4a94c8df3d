import logging

import numpy as np
import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.mask.guided_filter import box_mean, guided_filter
from stylecinegan.mask.refinement import (
    check_cover,
    refine,
    refine_as_released,
    remove_small,
    soften,
)


def sky_over_land(size=128, horizon=64):
    photo = torch.full((1, 3, size, size), 0.6)
    photo[:, :, horizon:] = -0.6
    return photo


def test_a_box_mean_counts_only_what_lies_inside():
    values = np.array([[0.0, 3.0, 6.0]], np.float32)
    assert box_mean(values, 1).tolist() == [[1.5, 3.0, 4.5]]


def test_a_flat_picture_averages_and_a_constant_map_stays():
    flat = torch.full((1, 3, 16, 16), 0.5)
    constant = torch.full((1, 1, 4, 4), 0.25)
    filtered = guided_filter(constant, flat, radius=0.1, epsilon=1e-3)
    torch.testing.assert_close(filtered, torch.full((1, 1, 16, 16), 0.25))


def test_a_coarse_edge_moves_to_the_edge_of_the_photo():
    photo = sky_over_land()
    wrong = torch.zeros(1, 1, 128, 128)
    wrong[:, :, :67] = 1.0  # three pixels too low
    mask = refine(wrong, photo, radius=0.06)
    assert (mask[0, 0, :63] > 0.5).all()
    assert (mask[0, 0, 65:] < 0.5).all()


def test_what_is_in_doubt_rests_beside_what_rests_and_moves_farther_off():
    flat = torch.zeros(1, 3, 100, 100)
    probability = torch.full((1, 1, 100, 100), 0.55)
    probability[:, :, :, :40] = 0.0
    sharp = {"radius": 0.0, "edge_width": 0.0}
    # The window of the filter's neighbours blurs the edge by two columns at most.
    row = refine(probability, flat, doubtful_width=0.1, **sharp)[0, 0, 50]
    assert row[:50].eq(0).all()
    assert row[55:].eq(1).all()
    row = refine(probability, flat, doubtful_width=0.1, certainty=0.5, **sharp)[0, 0, 50]
    assert row[43:].eq(1).all()
    assert refine(torch.full_like(probability, 0.55), flat).eq(1).all()


def test_the_edge_is_soft_by_a_few_pixels_and_the_rest_is_hard():
    probability = torch.zeros(1, 1, 128, 128)
    probability[:, :, :64] = 1.0
    column = refine(probability, sky_over_land(), edge_width=4 / 128)[0, 0, :, 50]
    soft = ((column > 0) & (column < 1)).sum().item()
    assert 2 <= soft <= 5
    assert column[:60].eq(1).all()
    assert column[68:].eq(0).all()


def test_a_ramp_is_half_on_the_edge_and_grows_by_whole_pixels():
    moves = np.zeros((1, 8), bool)
    moves[:, :4] = True
    ramp = soften(moves, width=4.0)[0, 0, 0]
    assert ramp.tolist() == [1.0, 1.0, 0.875, 0.625, 0.375, 0.125, 0.0, 0.0]
    grown = soften(moves, width=4.0, grow=1.0)[0, 0, 0]
    assert grown[1:].tolist() == pytest.approx(ramp[:-1].tolist())


def test_specks_rest_and_pinholes_move_but_boats_stay():
    probability = torch.zeros(1, 1, 128, 128)
    probability[:, :, :64] = 1.0
    probability[:, :, 100:103, 100:103] = 1.0  # a speck of 9 pixels on land
    probability[:, :, 20:22, 20:22] = 0.0  # a pinhole
    probability[:, :, 30:42, 60:72] = 0.0  # a balloon of 144 pixels
    photo = sky_over_land()
    photo[:, :, 30:42, 60:72] = -0.6
    photo[:, :, 20:22, 20:22] = 0.5
    mask = refine(probability, photo)[0, 0] > 0.5
    assert not mask[100:103, 100:103].any()
    assert mask[18:24, 18:24].all()
    assert not mask[33:39, 63:69].any()


def test_a_mast_that_the_classifiers_missed_stays_static():
    photo = sky_over_land(256, 160)
    photo[:, :, 40:160, 100:103] = -0.7
    photo[:, :, 60:62, 180:200] = -0.7  # a bird: dark and thin, but not joined to the land
    probability = torch.zeros(1, 1, 256, 256)
    probability[:, :, :160] = 1.0
    mask = refine(probability, photo)[0, 0] > 0.5
    assert not mask[50:160, 101].any()
    assert mask[61, 190]
    assert mask[80, 60]
    assert refine(probability, photo, thin_width=0.0, radius=0.002)[0, 0, 100, 60] == 1.0


def test_the_same_photo_gets_the_same_mask_at_twice_the_size():
    probability = torch.zeros(1, 1, 64, 64)
    probability[:, :, :32] = 1.0
    small = refine(probability, sky_over_land(256, 128))
    large = refine(probability, sky_over_land(512, 256))
    shrunken = torch.nn.functional.avg_pool2d(large, 2)
    assert (shrunken - small).abs().max() < 0.15


def test_the_released_refinement_fills_holes_under_a_tenth_and_animates_small_masks_whole():
    mask = torch.zeros(1, 1, 64, 64)
    mask[:, :, :32] = 1.0
    mask[:, :, 10:20, 10:20] = 0.0  # 2.4 % of the picture
    assert refine_as_released(mask)[0, 0, :28].eq(1).all()
    small = torch.zeros(1, 1, 64, 64)
    small[:, :, :4] = 1.0
    assert refine_as_released(small).eq(1).all()
    assert refine_as_released(small, animate_all_if_small=False).eq(0).all()


def test_a_small_mask_is_a_warning_and_an_empty_one_an_error(caplog):
    small = torch.zeros(1, 1, 10, 10)
    small[:, :, :, :1][:, :, :5] = 1.0
    with caplog.at_level(logging.WARNING):
        assert torch.equal(check_cover(small), small)
    assert "5.0 %" in caplog.text
    assert check_cover(small, animate_all_if_small=True).eq(1).all()
    with pytest.raises(InputError, match="neither sky nor water"):
        check_cover(torch.zeros(1, 1, 10, 10))


def test_small_parts_are_removed_by_their_area():
    region = np.zeros((10, 10), bool)
    region[0, :4] = True
    region[5:9, 5:9] = True
    assert remove_small(region, 0.05).sum() == 16
    assert remove_small(region, 0.04).sum() == 20


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"a photo must be \[1, 3, H, W\]"):
        refine(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 8, 8))
    with pytest.raises(InputError, match=r"a probability must be \[1, 1, h, w\]"):
        refine(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8))
