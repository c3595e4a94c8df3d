import math
import tracemalloc

import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.motion.controls.arrows import apply_arrows, parse_arrows
from stylecinegan.motion.controls.controls import (
    controlled_motion,
    directed_motion,
    normalize_speed,
)
from stylecinegan.motion.regions import find_regions


@pytest.fixture
def mask():
    """Sky above, a static ridge, water below."""
    mask = torch.ones(1, 1, 60, 80)
    mask[..., 24:32, :] = 0.0
    return mask


@pytest.fixture
def classes(mask):
    classes = torch.zeros(1, 1, 30, 40, dtype=torch.int64)
    classes[..., :13, :] = 1
    classes[..., 14:, :] = 2
    return classes


def constant(x, y, size=(60, 80)):
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, *size).contiguous()


def angles(motion):
    """Degrees, clockwise from right, ``[H, W]``."""
    return torch.atan2(motion[0, 1], motion[0, 0]).rad2deg()


def test_speed_decreases_towards_the_horizon_where_sky_and_sea_meet():
    classes = torch.ones(1, 1, 60, 80, dtype=torch.int64)
    classes[..., 30:, :] = 2
    motion = directed_motion("left", torch.ones(1, 1, 60, 80), classes)
    assert motion[0, 0, [0, 29, 30, 59], 40].tolist() == pytest.approx([-1.0, -0.3, -0.3, -1.0])
    assert motion[0, 1].abs().max() == 0.0


def test_without_classes_components_at_the_upper_edge_are_sky(mask):
    motion = directed_motion("down", mask)
    assert motion[0, 1, [0, 23, 32, 59], 40].tolist() == pytest.approx([1.0, 0.3, 0.3, 1.0])


def test_regions_have_one_class_and_partition_the_picture(mask, classes):
    regions = find_regions(mask, classes)
    assert regions.kinds == ("sky", "water")
    assert regions.number[0, 0] == 0
    assert regions.number[25, 40] == 0  # on the ridge, nearer to the sky
    assert regions.number[59, 0] == 1


def test_small_components_are_merged_with_their_surroundings(mask, classes):
    classes[..., 4, 4] = 2
    assert find_regions(mask, classes).kinds == ("sky", "water")


def test_memory_does_not_grow_with_the_number_of_small_components(classes):
    mask = torch.zeros(1, 1, 384, 384)
    mask[..., ::4, ::4] = 1.0  # 9,216 of them
    mask[..., 200:, :] = 1.0
    tracemalloc.start()
    regions = find_regions(mask, classes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert regions.kinds == ("water",)
    assert peak < 40 * mask.numel()  # a map for each speck would take 300 times as much


def test_an_arrow_rotates_its_whole_region_and_no_other(mask, classes):
    prediction = constant(1.0, 0.0)
    motion = controlled_motion(prediction, mask, classes, arrows=[[0.5, 0.1, 0.5, 0.3]])
    assert angles(motion)[:24] == pytest.approx(torch.full((24, 80), 90.0), abs=1e-3)
    assert angles(motion)[32:] == pytest.approx(torch.zeros(28, 80), abs=1e-3)


def test_an_arrow_keeps_the_variation_of_the_predicted_directions():
    # A river that bends by 60 degrees from left to right.
    bend = torch.linspace(-30.0, 30.0, 80).deg2rad().expand(60, 80)
    prediction = torch.stack([bend.cos(), bend.sin()])[None]
    regions = find_regions(torch.ones(1, 1, 60, 80))
    # Up, against the prediction, at the left end.
    arrows = parse_arrows([[1, 40, 1, 20]], (60, 80))
    turned = angles(apply_arrows(prediction, arrows, regions))
    assert turned[30, 1] == pytest.approx(-90.0, abs=2.0)
    # The far end keeps the bend, not the predicted direction.
    assert -60.0 < turned[30, 79] < -30.0
    assert turned.diff(dim=1).abs().max() < 3.0


def test_motion_is_continuous_between_two_opposed_arrows():
    regions = find_regions(torch.ones(1, 1, 60, 80))
    arrows = parse_arrows([[0.1, 0.2, 0.1, 0.4], [0.9, 0.4, 0.9, 0.2]], (60, 80))
    motion = apply_arrows(constant(1.0, 0.0), arrows, regions)
    assert motion[0, 1, 18, 8] == pytest.approx(1.0, abs=0.01)
    assert motion[0, 1, 18, 71] == pytest.approx(-1.0, abs=0.01)
    assert motion.diff(dim=3).abs().max() < 0.15  # of the 2 between the arrows


def test_an_arrow_of_twice_the_length_is_twice_as_fast(mask):
    motion = controlled_motion(
        constant(1.0, 0.0), mask, arrows=[[0.4, 0.2, 0.6, 0.2], [0.4, 0.8, 0.8, 0.8]]
    )
    assert motion[0, 0, 50, 40] / motion[0, 0, 10, 40] == pytest.approx(2.0)


def test_arrows_in_pixels_and_in_normalised_coordinates_agree(mask, classes):
    prediction = constant(1.0, 0.5)
    shares = controlled_motion(prediction, mask, classes, arrows=[[0.25, 0.75, 0.5, 1.0]])
    pixels = controlled_motion(
        prediction, mask, classes, arrows=[[40, 90, 80, 120]], photo_size=(120, 160)
    )
    torch.testing.assert_close(shares, pixels)


def test_an_arrow_moves_a_region_without_predicted_motion(mask):
    motion = controlled_motion(torch.zeros(1, 2, 60, 80), mask, arrows=[[0.5, 0.2, 0.4, 0.2]])
    assert motion[0, 0, 10, 10] == pytest.approx(-80 / 512)


def test_motion_follows_a_curved_arrow():
    # A quarter of a circle around the lower left corner, from above to the right.
    bow = [(40 * math.sin(a), 60 - 40 * math.cos(a)) for a in torch.linspace(0, 1.57, 9).tolist()]
    motion = controlled_motion(constant(1.0, 0.0), torch.ones(1, 1, 60, 80), arrows=[bow])
    found = angles(motion)
    assert found[20, 1] == pytest.approx(0.0, abs=12.0)
    assert found[60 - 28, 28] == pytest.approx(45.0, abs=6.0)
    assert found[58, 40] == pytest.approx(90.0, abs=12.0)
    assert motion.diff(dim=3).abs().max() < 0.02  # of 80 / 512


def test_a_curved_arrow_on_a_line_equals_a_straight_one(mask, classes):
    straight, bent = (
        controlled_motion(constant(1.0, 0.3), mask, classes, arrows=[arrow])
        for arrow in ([0.2, 0.1, 0.6, 0.3], [(0.2, 0.1), (0.3, 0.15), (0.6, 0.3)])
    )
    torch.testing.assert_close(bent, straight, atol=2e-3, rtol=0.0)


def test_each_of_several_arrows_sets_the_direction_around_it(mask, classes):
    arrows = [[(0.1, 0.9), (0.1, 0.7)], [(0.5, 0.7), (0.5, 0.9)], [(0.9, 0.9), (0.9, 0.7)]]
    motion = controlled_motion(constant(1.0, 0.0), mask, classes, arrows=arrows)
    assert (motion[0, 1, 48, [8, 40, 71]].sign() == torch.tensor([-1.0, 1.0, -1.0])).all()
    assert motion[0, 1, 10].abs().max() < 1e-6  # the sky keeps its own


def test_motion_is_0_at_anchors_and_rises_smoothly_around_them(mask, classes):
    free, held = (
        controlled_motion(constant(1.0, 0.0), mask, classes, anchors=anchors, anchor_radius=0.2)
        for anchors in ([], [(0.25, 0.75), [(0.7, 0.1), (0.7, 0.2)]])
    )
    share = (held / free)[0, 0]
    assert share[45, 20] == 0.0
    assert share[9, 56] == 0.0  # in the middle of the stroke
    assert share[45, 20:38].diff().min() >= 0.0
    assert share[:, 20].diff().abs().max() < 0.2
    assert share[45, 37:] == pytest.approx(torch.ones(43))


def test_motion_is_0_in_a_mask_of_anchors(mask):
    held = torch.zeros_like(mask)
    held[..., 40:50, 10:20] = 1.0
    motion = controlled_motion(constant(1.0, 0.0), mask, anchors=held)
    assert motion[0, 0, 40:50, 10:20].abs().max() == 0.0
    assert motion[0, 0, 45, 40] == pytest.approx(80 / 512)


def test_anchors_do_not_raise_speeds_elsewhere(mask):
    prediction = directed_motion("right", mask)
    held = controlled_motion(prediction, mask, anchors=[(0.5, 0.999)], anchor_radius=1.0)
    assert bool((held.abs() <= controlled_motion(prediction, mask).abs() + 1e-6).all())


def test_a_region_s_speed_factor_is_given_by_its_kind_or_by_a_point_in_it(mask, classes):
    by_kind, by_place = (
        controlled_motion(constant(1.0, 0.0), mask, classes, speeds=speeds)[0, 0, [10, 50], 40]
        for speeds in ({"sky": 0.25, "water": 2.0}, [(0.5, 0.1, 0.25), (0.1, 0.9, 2.0)])
    )
    expected = [0.25 * 80 / 512, 2.0 * 80 / 512]
    assert by_kind.tolist() == pytest.approx(expected)
    assert by_place.tolist() == pytest.approx(expected)


def test_waterfalls_are_regions_that_factors_of_water_apply_to(mask, classes):
    classes[..., 14:, 10:20] = 3
    regions = find_regions(mask, classes)
    assert sorted(regions.kinds) == ["sky", "water", "water", "waterfall"]
    motion = controlled_motion(
        constant(1.0, 0.0), mask, classes, text="waterfall falls", speed_water=0.5
    )
    unit = 80 / 512
    assert motion[0, :, 50, 30].tolist() == pytest.approx([0.0, 0.5 * unit], abs=1e-6)
    assert motion[0, :, 50, 60].tolist() == pytest.approx([0.5 * unit, 0.0], abs=1e-6)


def test_a_sea_that_rolls_in_moves_towards_the_viewer_and_out_away(mask, classes):
    for text, sign in (("sea rolls in", 1.0), ("sea rolls out", -1.0)):
        motion = controlled_motion(constant(1.0, 0.0), mask, classes, text=text)
        assert bool((sign * motion[0, 1, 32:] > 0.8 * motion[0, :, 32:].norm(dim=0)).all())
        assert sign * motion[0, 0, 59, 79] > 0.0 > sign * motion[0, 0, 59, 0]  # it fans out
        assert motion[0, 1, :24].abs().max() < 1e-6


@pytest.mark.parametrize(
    ("controls", "reason"),
    [
        ({"anchors": [0.5, 0.5, 0.5]}, "anchors must be points and strokes"),
        ({"anchors": [(0.5, math.nan)]}, "anchors must be points and strokes"),
        ({"anchors": [(0.5, 0.5)], "anchor_radius": 0.0}, "anchor_radius must be"),
        ({"anchors": torch.zeros(1, 1, 4, 4)}, "a mask of anchors must be"),
        ({"speeds": {"cloud": 1.0}}, "got one of cloud"),
        ({"speeds": {"sky": -1.0}}, "speeds.sky must be a number of at least 0"),
        ({"speeds": [(0.5, 0.45, 2.0)]}, "must be in a moving region"),
        ({"speeds": [(0.5, 0.1)]}, "speeds must be factors by region"),
        ({"arrows": [[(0.5, 0.1)]]}, "arrows must be"),
    ],
)
def test_invalid_controls_are_refused(mask, classes, controls, reason):
    with pytest.raises(InputError, match=reason):
        controlled_motion(constant(1.0, 0.0), mask, classes, **controls)


@pytest.mark.parametrize(
    ("arrows", "reason"),
    [
        ([[0.5, 0.45, 0.6, 0.45]], "must touch a moving region"),
        ([[0.5, 0.1, 0.5, 0.1]], "must have a length"),
        ([[0.5, 0.1, 0.5]], "must be"),
        ([0.5, 0.1, 0.5, 0.2], "must be"),
        ([[0.5, math.nan, 0.5, 0.2]], "must be"),
    ],
)
def test_invalid_arrows_are_refused(mask, arrows, reason):
    with pytest.raises(InputError, match=reason):
        controlled_motion(constant(1.0, 0.0), mask, arrows=arrows)


def test_text_rotates_and_slows_down_the_regions_that_it_names(mask, classes):
    text = "clouds drift left, river flows down, slow"
    motion = controlled_motion(constant(1.0, 0.0), mask, classes, text=text)
    assert motion[0, :, 10, 40].tolist() == pytest.approx([-0.5 * 80 / 512, 0.0], abs=1e-6)
    assert motion[0, :, 50, 40].tolist() == pytest.approx([0.0, 0.5 * 80 / 512], abs=1e-6)


def test_text_without_regions_needs_no_classes(mask):
    motion = controlled_motion(constant(1.0, 0.0), mask, text="up, fast")
    assert motion[0, :, 10, 40].tolist() == pytest.approx([0.0, -2.0 * 80 / 512], abs=1e-6)


def test_controls_of_an_unknown_or_absent_region_are_refused(mask, classes):
    with pytest.raises(InputError, match="which part of the mask is sky is not known"):
        controlled_motion(constant(1.0, 0.0), mask, text="clouds left")
    with pytest.raises(InputError, match="speed_water refers to the water"):
        controlled_motion(constant(1.0, 0.0), mask, speed_water=2.0)
    mask[..., 32:, :] = 0.0
    with pytest.raises(InputError, match="text refers to the water, but the mask has only sky"):
        controlled_motion(constant(1.0, 0.0), mask, classes, text="river left")


def test_arrows_take_precedence_over_text_and_speed_factors_multiply(mask, classes):
    motion = controlled_motion(
        constant(1.0, 0.0),
        mask,
        classes,
        arrows=[[0.4, 0.8, 0.6, 0.8]],
        text="everything moves up, water slow",
        speed=2.0,
        speed_sky=0.25,
        speed_water=3.0,
    )
    assert motion[0, :, 10, 40].tolist() == pytest.approx([0.0, -0.5 * 80 / 512], abs=1e-6)
    assert motion[0, :, 50, 40].tolist() == pytest.approx([3.0 * 80 / 512, 0.0], abs=1e-6)


def test_without_controls_only_the_speed_is_set(mask):
    prediction = directed_motion("down-left", mask)
    actual = controlled_motion(prediction, mask, speed=1.5)
    torch.testing.assert_close(actual * mask, normalize_speed(prediction * mask, 1.5))
    torch.testing.assert_close(controlled_motion(prediction, mask, speed=None), prediction)


def test_a_prediction_of_another_size_is_resized_and_its_vectors_scaled(mask):
    motion = controlled_motion(constant(1.0, 0.0, (30, 40)), mask, speed=None)
    assert motion[0, :, 30, 40].tolist() == [2.0, 0.0]
