import torch

from stylecinegan.motion.vectors import lengths


def test_a_vector_of_3_and_4_is_5_long():
    vectors = torch.tensor([3.0, -4.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3)
    assert torch.equal(lengths(vectors), torch.full((1, 1, 2, 3), 5.0))
    assert torch.equal(lengths(vectors[0]), torch.full((1, 2, 3), 5.0))


def test_lengths_are_those_of_norm():
    vectors = torch.randn(2, 2, 64, 64)
    torch.testing.assert_close(lengths(vectors), vectors.norm(dim=1, keepdim=True))
