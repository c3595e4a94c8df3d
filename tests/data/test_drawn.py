import pytest
import torch

from stylecinegan.data.drawn import draw_landscape


def test_a_seed_always_draws_the_same_landscape_and_another_seed_another():
    first, again, other = (draw_landscape(40, 60, seed) for seed in (1, 1, 2))
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, other.image)


@pytest.mark.parametrize("size", [(16, 16), (48, 120), (200, 64)])
def test_a_drawn_landscape_has_sky_at_the_top_and_water_at_the_bottom(size):
    drawn = draw_landscape(*size, seed=5)
    assert drawn.image.shape == (1, 3, *size)
    assert drawn.image.abs().max() <= 1.0
    assert set(drawn.label[0, 0, 0].tolist()) == {1}
    assert set(drawn.label[0, 0, -1].tolist()) == {2}
    assert (drawn.label == 0).float().mean() > 0.05
    assert torch.equal(drawn.mask > 0.5, drawn.label > 0)
