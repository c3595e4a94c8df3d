import pytest
import torch

from stylecinegan.mask.corrections import correct_mask


def row(*values):
    return torch.tensor(values).view(1, 1, 1, -1)


def test_white_in_add_moves_and_white_in_remove_stays():
    mask = row(0.0, 0.0, 1.0, 1.0)
    corrected = correct_mask(mask, add=row(0.0, 1.0, 0.0, 0.0), remove=row(0.0, 0.0, 0.0, 1.0))
    assert corrected.flatten().tolist() == [0.0, 1.0, 1.0, 0.0]


def test_soft_edges_stay_soft_and_remove_wins():
    mask = row(0.25, 0.75, 0.0, 0.5)
    added = correct_mask(mask, add=row(0.5, 0.5, 1.0, 1.0))
    assert added.flatten().tolist() == [0.5, 0.75, 1.0, 1.0]
    removed = correct_mask(mask, add=row(0.5, 0.5, 1.0, 1.0), remove=row(0.0, 0.5, 1.0, 0.25))
    assert removed.flatten().tolist() == [0.5, 0.5, 0.0, 0.75]


def test_without_corrections_the_mask_stays_as_it_is():
    mask = row(0.25, 0.75)
    assert torch.equal(correct_mask(mask), mask)


def test_a_correction_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"remove must be \[1, 1, 1, 2\] as the mask, got"):
        correct_mask(row(0.0, 1.0), remove=row(1.0))
