import pytest
import torch

from stylecinegan.motion.refinement import fall_off, refine_motion, remove_outliers


def half_mask():
    mask = torch.zeros(1, 1, 40, 100)
    mask[..., :50] = 1.0
    return mask


def test_a_single_wild_vector_takes_the_median_of_its_surroundings():
    motion = torch.ones(1, 2, 40, 100)
    motion[0, :, 20, 20] = -9.0
    torch.testing.assert_close(remove_outliers(motion, half_mask()), torch.ones(1, 2, 40, 100))


def test_a_smooth_field_has_no_outliers():
    x = torch.linspace(0.5, 1.5, 100).expand(40, 100)
    motion = torch.stack([x, -x])[None]
    torch.testing.assert_close(remove_outliers(motion, half_mask()), motion)


def test_motion_falls_off_smoothly_to_rest_at_the_edge_but_not_at_the_border():
    weight = fall_off(half_mask(), edge_width=0.1)[0, 0, 20]
    assert weight[0] == 1.0  # the picture's border is no edge
    # The edge is after pixel 49; 10 pixels wide, half way after 5: smoothstep(0.5) = 0.5.
    assert weight[45] == pytest.approx(0.5)
    assert weight[40] == 1.0
    assert weight[50:].max() == 0.0
    assert bool((weight.diff() <= 0).all())


def test_a_narrow_river_has_a_narrow_rim():
    mask = torch.zeros(1, 1, 40, 100)
    mask[:, :, 15:25] = 1.0
    weight = fall_off(mask, edge_width=0.1)[0, 0, :, 50]
    # Its middle is 5 pixels from the edge: the rim is 1.5 instead of 10 wide.
    assert weight[17:23].min() == 1.0
    assert weight[15] == pytest.approx((2 / 3) ** 2 * (3 - 4 / 3), abs=0.01)
    assert weight[14] == 0.0


def test_refined_motion_is_multiplied_by_the_mask():
    mask = torch.full((1, 1, 40, 100), 0.25)
    refined = refine_motion(torch.ones(1, 2, 40, 100), mask)
    torch.testing.assert_close(refined, torch.full((1, 2, 40, 100), 0.25))
