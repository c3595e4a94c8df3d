import pytest
import torch

from stylecinegan.generator.pyramid_discriminator import PatchHead


def test_kernels_of_a_head_have_a_largest_singular_value_of_one():
    torch.manual_seed(0)
    head = PatchHead(32, 8, 8)
    for _ in range(50):
        weights = head.normalised_weights()
    for weight in weights:
        assert float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2)) == pytest.approx(
            1.0, abs=0.02
        )
