import pytest
import torch

from stylecinegan.metrics.mask_quality import Overlap, boundary_f_score, measure_masks


def upper(rows, size=32):
    region = torch.zeros(size, size, dtype=torch.bool)
    region[:rows] = True
    return region


def test_iou_is_over_the_pixels_of_all_pictures():
    overlap = Overlap()
    overlap.add(upper(8), upper(16))  # 256 of 512
    overlap.add(upper(4), upper(4))  # 128 of 128
    assert overlap.result() == pytest.approx(384 / 640)
    assert Overlap().result() == 1.0


def test_boundaries_match_within_three_pixels():
    assert boundary_f_score(upper(13), upper(16)) == 1.0
    assert boundary_f_score(upper(12), upper(16)) == 0.0
    assert boundary_f_score(upper(0), upper(32)) == 1.0  # neither has a boundary
    assert boundary_f_score(upper(0), upper(16)) == 0.0


def test_a_wrong_second_boundary_halves_the_precision():
    predicted = upper(16)
    predicted[28:] = True
    # Precision 1/2, recall 1: the harmonic mean is 2/3.
    assert boundary_f_score(predicted, upper(16)) == pytest.approx(2 / 3)


def test_classes_are_measured_before_and_the_mask_after_refinement():
    wanted = upper(16).long()
    wanted[24:] = 2
    classes = upper(16).long()  # the water is missed
    mask = (wanted > 0).float()[None, None]  # … and found by the refinement
    result = measure_masks([(torch.zeros(1, 3, 32, 32), wanted)], lambda _: (classes, mask))
    assert result["iou_sky"] == 1.0
    assert result["iou_water"] == 0.0
    assert result["iou_moving"] == 1.0
    assert result["iou_moving_unrefined"] == pytest.approx(16 / 24)
    assert result["boundary"] == 1.0
    assert result["boundary_unrefined"] == pytest.approx(2 / 3)
