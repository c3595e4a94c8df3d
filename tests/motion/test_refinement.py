import pytest
import torch

from stylecinegan.motion.refinement import (
    edge_ramp,
    equalize_speeds,
    refine_motion,
    remove_outliers,
    slow_distant_sky,
    slow_distant_water,
)
from stylecinegan.motion.regions import find_regions


def half_mask():
    mask = torch.zeros(1, 1, 40, 100)
    mask[..., :50] = 1.0
    return mask


def test_an_outlier_is_replaced_by_the_local_median():
    motion = torch.ones(1, 2, 40, 100)
    motion[0, :, 20, 20] = -9.0
    torch.testing.assert_close(remove_outliers(motion, half_mask()), torch.ones(1, 2, 40, 100))


def test_removing_outliers_keeps_a_smooth_field():
    x = torch.linspace(0.5, 1.5, 100).expand(40, 100)
    motion = torch.stack([x, -x])[None]
    torch.testing.assert_close(remove_outliers(motion, half_mask()), motion)


def test_the_ramp_falls_to_0_at_the_mask_s_edge_but_not_at_the_picture_s_border():
    weight = edge_ramp(half_mask(), edge_width=0.1)[0, 0, 20]
    assert weight[0] == 1.0  # the picture's border is no edge
    # The edge is after pixel 49; 10 pixels wide, half way after 5: smoothstep(0.5) = 0.5.
    assert weight[45] == pytest.approx(0.5)
    assert weight[40] == 1.0
    assert weight[50:].max() == 0.0
    assert bool((weight.diff() <= 0).all())


def test_a_narrow_region_has_a_narrow_ramp():
    mask = torch.zeros(1, 1, 40, 100)
    mask[:, :, 15:25] = 1.0
    weight = edge_ramp(mask, edge_width=0.1)[0, 0, :, 50]
    # Its middle is 5 pixels from the edge: the ramp is 1.5 instead of 10 wide.
    assert weight[17:23].min() == 1.0
    assert weight[15] == pytest.approx((2 / 3) ** 2 * (3 - 4 / 3), abs=0.01)
    assert weight[14] == 0.0


def sky_over_water():
    """Classes of 40 rows, the upper half sky, the lower water, as probabilities and as numbers."""
    classes = torch.ones(1, 1, 40, 100)
    classes[:, :, 20:] = 2.0
    probabilities = torch.cat([classes == number for number in range(3)], dim=1).float()
    return probabilities, classes


def test_speeds_change_towards_the_median_of_their_region_by_at_most_the_tolerance():
    classes = sky_over_water()[1]
    motion = torch.zeros(1, 2, 40, 100)
    motion[:, 0, :20] = 1.0
    motion[:, 0, :20, :10] = 1.05
    motion[:, 0, :20, 90:] = 2.0
    motion[:, 1, 20:] = -4.0
    motion[:, 1, 20:, :10] = -2.0
    motion[:, 1, 20:, 10] = 0.0
    equalized = equalize_speeds(motion, find_regions(torch.ones(1, 1, 40, 100), classes), 0.1)
    assert equalized[0, 0, 10, [0, 50]].tolist() == pytest.approx([1.0, 1.0])
    assert equalized[0, 0, 10, 95] == pytest.approx(2.0 / 1.1)  # beyond the tolerance
    # Each region has its own median; directions and zero vectors are kept.
    assert equalized[0, 1, 30, [0, 10, 50]].tolist() == pytest.approx([-2.0 * 1.1, 0.0, -4.0])


def test_a_uniform_region_keeps_its_speed():
    motion = torch.full((1, 2, 40, 100), 3.0)
    torch.testing.assert_close(equalize_speeds(motion, find_regions(half_mask())), motion)


def test_water_is_slower_towards_the_horizon_and_the_sky_behind_it_is_not():
    classes = sky_over_water()[1]
    regions = find_regions(torch.ones(1, 1, 40, 100), classes)
    slowed = slow_distant_water(torch.ones(1, 2, 40, 100), regions)[0, 0, :, 50]
    assert slowed[:19].tolist() == pytest.approx([1.0] * 19)
    # From 0.3 in row 20 to 1 in row 39 …
    step = 0.7 / 19
    assert slowed[[21, 30]].tolist() == pytest.approx([0.3 + step, 0.3 + 10 * step])
    # … each the mean of 3 rows: 2 % of 100 columns, and odd.
    assert slowed[20] == pytest.approx((1.0 + 0.3 + 0.3 + step) / 3)


def sky_over_land():
    """Regions of a large sky, and of a small one behind a column of land at the right."""
    mask = torch.zeros(1, 1, 60, 100)
    mask[..., :50, :80] = 1.0
    mask[..., :10, 85:] = 1.0
    return find_regions(mask, torch.ones(1, 1, 60, 100).long())


def test_a_uniform_sky_is_slowed_down_to_half_at_its_lower_end():
    slowed = slow_distant_sky(torch.ones(1, 2, 60, 100), sky_over_land())[0, 0, :, 40]
    assert slowed[0] == pytest.approx(1.0)
    assert slowed[24] == pytest.approx(0.75, abs=0.01)
    assert slowed[49] == pytest.approx(0.5)


def test_a_sky_below_the_speed_limit_does_not_change():
    speed = torch.linspace(1.0, 0.2, 60).view(60, 1).expand(1, 2, 60, 100)
    slowed = slow_distant_sky(speed, sky_over_land())
    torch.testing.assert_close(slowed[:, :, 30:], speed[:, :, 30:])


def test_all_parts_of_a_sky_have_one_speed_limit():
    motion = torch.ones(1, 2, 60, 100)
    motion[..., 85:] = 3.0
    slowed = slow_distant_sky(motion, sky_over_land())
    torch.testing.assert_close(slowed[..., :10, 90], slowed[..., :10, 40])


def test_water_keeps_its_speeds_without_classes():
    mask = torch.ones(1, 1, 40, 100)
    mask[:, :, :20] = 0.0
    motion = torch.ones(1, 2, 40, 100)
    assert refine_motion(motion, mask, edge_width=0)[0, 0, 20:].min() == 1.0
    slowed = refine_motion(motion, mask, sky_over_water()[0], edge_width=0)
    assert slowed[0, 0, 21, 50] == pytest.approx(0.3 + 0.7 / 19)


def test_refined_motion_is_0_for_an_empty_mask():
    refined = refine_motion(torch.ones(1, 2, 40, 100), torch.zeros(1, 1, 40, 100))
    assert refined.abs().max() == 0.0


def test_refined_motion_is_multiplied_by_the_mask():
    mask = torch.full((1, 1, 40, 100), 0.25)
    refined = refine_motion(torch.ones(1, 2, 40, 100), mask)
    torch.testing.assert_close(refined, torch.full((1, 2, 40, 100), 0.25))
