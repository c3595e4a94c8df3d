import torch

from stylecinegan.motion.vectors import lengths, median_speed


def test_the_vector_3_4_has_length_5():
    vectors = torch.tensor([3.0, -4.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3)
    assert torch.equal(lengths(vectors), torch.full((1, 1, 2, 3), 5.0))
    assert torch.equal(lengths(vectors[0]), torch.full((1, 2, 3), 5.0))


def test_lengths_equal_the_norm():
    vectors = torch.randn(2, 2, 64, 64)
    torch.testing.assert_close(lengths(vectors), vectors.norm(dim=1, keepdim=True))


def test_the_median_speed_ignores_zeros_and_is_1_without_motion():
    assert median_speed(torch.tensor([[0.0, 2.0, 0.0, 5.0, 3.0]])) == 3.0
    assert median_speed(torch.zeros(4)) == 1.0
