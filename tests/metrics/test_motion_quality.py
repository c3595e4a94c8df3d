import pytest
import torch

from stylecinegan.metrics.motion_quality import (
    angles,
    geometric_median,
    rank_correlation,
    with_sign_of,
)


def test_angles_do_not_depend_on_lengths():
    motion = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 2.0]])
    expected = torch.tensor([[5.0, 1.0, -1.0], [0.0, 0.0, -1.0]])
    assert angles(motion, expected).tolist() == pytest.approx([0.0, 90.0, 180.0])


def test_regions_are_reversed_independently():
    motion = torch.ones(2, 1, 4)
    expected = torch.tensor([[[-1.0, -1.0, 1.0, 1.0]], [[-1.0, 0.5, 1.0, 1.0]]])
    number = torch.tensor([[0, 0, 1, 1]])
    turned = with_sign_of(motion, expected, number)
    assert turned[0].tolist() == [[-1.0, -1.0, 1.0, 1.0]]


def test_rank_correlation_depends_on_order_only_and_averages_tied_ranks():
    ordered = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(ordered, ordered**3) == pytest.approx(1.0)
    assert rank_correlation(ordered, -ordered) == pytest.approx(-1.0)
    assert rank_correlation(ordered, torch.ones(4)) == 0.0
    # Ranks 1.5 1.5 3.5 3.5 against 1 2 3 4: 4 / sqrt(4 * 5).
    tied = torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert rank_correlation(tied, ordered) == pytest.approx(4 / 20**0.5)


def test_values_that_differ_by_rounding_errors_are_tied():
    # Three of four are equal but for rounding: ranks 1, 3, 3, 3 against 1 to 4.
    nearly = torch.tensor([0.1, 0.50002, 0.50001, 0.5])
    ordered = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(nearly, ordered) == pytest.approx(3 / (3 * 5) ** 0.5)


def test_the_geometric_median_is_robust_to_outliers():
    vectors = torch.tensor([[1.0, 1.0, 1.0, 100.0], [0.0, 0.0, 0.0, 0.0]])
    assert geometric_median(vectors, torch.ones(4)).tolist() == pytest.approx([1.0, 0.0], abs=1e-2)
    weighted = geometric_median(vectors, torch.tensor([0.0, 0.0, 0.1, 1.0]))
    assert weighted[0] == pytest.approx(100.0, abs=0.5)


def test_the_angle_of_a_zero_motion_is_90_degrees():
    motion = torch.tensor([[0.0, 1.0, -2.0], [0.0, 0.0, 0.0]])
    expected = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    assert angles(motion, expected).tolist() == [90.0, 0.0, 180.0]
