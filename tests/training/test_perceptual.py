import pytest
import torch
from torch import nn

from stylecinegan.errors import InputError
from stylecinegan.losses.adversarial import perceptual_distance
from stylecinegan.losses.perceptual import FeatureDistance, LPIPSDistance


class Identity(nn.Module):
    def forward(self, image):
        return [image]


def test_a_feature_distance_is_the_one_over_its_network():
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 3, 4, 4)
    distance = FeatureDistance(Identity())
    assert distance(a, b) == perceptual_distance(Identity(), a, b) > 0
    assert distance(a, a) == 0


def test_lpips_without_its_weights_says_which_file_is_missing_and_fetches_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth, put them at .*checkpoints"):
        LPIPSDistance()
    with pytest.raises(InputError, match="vgg, alex"):
        LPIPSDistance("squeeze")  # pyright: ignore
