import pytest
import torch

from stylecinegan.losses.motion import end_point_error, feature_matching, least_squares


def test_end_point_error_is_a_mean_over_what_is_known():
    motion = torch.zeros(2, 2, 1, 2)
    expected = torch.tensor([[[[3.0, 100.0]], [[4.0, 0.0]]], [[[0.0, 1.0]], [[0.0, 0.0]]]])
    confidence = torch.tensor([[[[1.0, 0.0]]], [[[0.5, 0.5]]]])
    # Picture one: 5, its other pixel is unknown; picture two: (0 + 1) / 2.
    assert end_point_error(motion, expected, confidence) == pytest.approx(2.75, abs=1e-3)


def test_least_squares_is_averaged_over_scales_and_uses_the_logits_alone():
    outputs = [[torch.full((1, 3, 2, 2), 9.0), torch.ones(1, 1, 2, 2)], [torch.zeros(1, 1, 1, 1)]]
    assert least_squares(outputs, 1.0) == 0.5  # (0 + 1) / 2
    assert least_squares(outputs, -1.0) == 2.5  # (4 + 1) / 2


def test_feature_matching_leaves_the_logits_out():
    fake = [[torch.ones(1, 2, 2, 2), torch.zeros(1, 1, 2, 2)]]
    real = [[torch.full((1, 2, 2, 2), 3.0), torch.ones(1, 1, 2, 2)]]
    assert feature_matching(fake, real) == 2.0
