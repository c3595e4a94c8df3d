import pytest
import torch

from stylecinegan.metrics.loop_quality import LoopQuality


def measure(frames, mask=None):
    quality = LoopQuality(torch.ones(1, 1, 8, 8) if mask is None else mask)
    for frame in frames:
        assert quality.add(frame) is frame
    return quality.result()


def flat(value):
    return torch.full((1, 3, 8, 8), float(value))


def test_steps_are_mean_absolute_differences_in_0_to_255():
    result = measure([flat(0.0), flat(0.2), flat(0.3)])
    assert result["largest_step"] == pytest.approx(0.3 * 127.5)  # the closing one
    assert result["smallest_step"] == pytest.approx(0.1 * 127.5)
    assert result["step_ratio"] == pytest.approx(3.0)
    assert result["closing_step_ratio"] == pytest.approx(0.3 / 0.2)


def test_detail_is_the_difference_from_the_downsampled_frame():
    checkers = torch.tensor([1.0, -1.0]).repeat(4)
    board = (checkers.view(1, 1, 8, 1) * checkers.view(1, 1, 1, 8)).expand(1, 3, 8, 8)
    result = measure([board, board * 0.5, board * 0.25])
    assert result["detail_kept"] == pytest.approx(0.5)
    assert result["least_detail_kept"] == pytest.approx(0.25)


def test_detail_outside_the_mask_does_not_count():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1.0
    board = torch.zeros(1, 3, 8, 8)
    board[:, :, ::2, :4] = 1.0
    disturbed = board.clone()
    disturbed[:, :, ::2, 4:] = 1.0
    # Enlarging mixes the columns next to the edge, hence the loose bound.
    assert measure([board, disturbed], mask)["detail_kept"] == pytest.approx(1.0, abs=0.1)
