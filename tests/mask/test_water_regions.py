import torch

from stylecinegan.mask.water_regions import (
    find_dips,
    find_falling,
    find_holes,
    find_small_water,
    find_water,
)


def test_a_body_of_water_includes_its_doubtful_parts_if_most_of_it_is_certain():
    logit = torch.full((2, 1, 32, 32), -1.0)
    logit[:, :, 8:24, 8:24] = 0.0
    logit[0, :, 8:24, 8:18] = 1.0  # more than half
    logit[1, :, 8:24, 8:14] = 1.0
    found = find_water(logit)
    assert bool(found[0, 0, 8:24, 8:24].all())
    assert int(found[0].sum()) == 256
    assert not found[1].any()
    speck = torch.full((1, 1, 32, 32), -1.0)
    speck[0, 0, 4, 4:6] = 1.0
    assert not find_water(speck).any()


def test_small_water_is_found_at_a_lower_logit_unless_it_is_large_or_enters_from_the_border():
    logit = torch.full((4, 1, 64, 64), -1.0)
    logit[0, :, 30:36, 30:38] = 0.1
    logit[0, :, 30:36, 30:35] = 0.3  # more than half
    logit[1, :, 58:, 30:38] = 0.3  # at the border
    logit[2, :, 20:40, 20:40] = 0.3  # more than 3 % of the picture
    logit[3, :, 30:36, 30:38] = 0.1
    found = find_small_water(logit)
    assert torch.equal(found[0], logit[0] > 0)
    assert not found[1:].any()
    assert not find_water(logit).any()


def test_doubtful_holes_are_those_whose_mean_logit_is_high_and_whose_area_is_moderate():
    logit = torch.full((3, 1, 64, 64), 2.0)
    logit[0, :, 20:30, 20:30] = -0.9  # glitter
    logit[0, :, 40:50, 40:50] = -1.1  # a boat
    logit[1, :, 54:, :20] = -0.9  # at the border
    logit[2, :, :32] = -0.9  # half of the picture
    is_water = logit > 0
    found = find_holes(logit, is_water)
    assert torch.equal(found[:2], logit[:2] == -0.9)
    assert not found[2].any()
    assert not find_holes(logit, torch.zeros_like(is_water)).any()


def test_a_post_in_calm_water_is_a_dip_but_waves_and_wide_things_are_not():
    logit = torch.full((3, 1, 96, 96), 2.0)
    logit[0, 0, 20:80, 46:50] = 1.6
    logit[1, 0, :, ::4] = logit[1, 0, :, 1::4] = 1.6  # waves as deep as the post
    logit[2, 0, 20:80, 30:70] = 1.6  # wider than the window
    everywhere = torch.ones_like(logit, dtype=torch.bool)
    found = find_dips(logit, everywhere, window=31, least=0.3, factor=3.0)
    assert torch.equal(found[0], logit[0] < 2.0)
    assert not found[1:].any()
    assert not find_dips(logit, ~everywhere, window=31, least=0.3, factor=3.0).any()


def test_a_fall_reaches_from_its_certain_middle_to_its_doubtful_edge():
    probability = torch.full((2, 1, 8, 8), 0.1)
    probability[:, :, 2:6, 2:6] = 0.3
    probability[1, :, 4, 4] = 0.6
    falling = find_falling(probability)
    assert not falling[0].any()
    assert bool(falling[1, 0, 2:6, 2:6].all())
    assert int(falling[1].sum()) == 16
