import lpips
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stylecinegan.backbones.lpips_trunks import DIGESTS, digest, read_trunk
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
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth .*wanted at .*checkpoints"):
        LPIPSDistance()
    with pytest.raises(InputError, match="vgg, alex"):
        LPIPSDistance("squeeze")  # pyright: ignore


def test_lpips_as_a_loss_is_the_metrics_mean_and_has_finite_gradients_where_features_vanish(
    tmp_path, monkeypatch
):
    torch.manual_seed(0)
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = {f"features.{k.split('.', 1)[1]}": v for k, v in package.net.state_dict().items()}
    state["features.0.bias"].fill_(-9.0)  # so that most features of a dark picture are zero
    save_file(state, tmp_path / "alexnet.safetensors")
    package.net.load_state_dict(
        {name: state[f"features.{name.split('.', 1)[1]}"] for name in package.net.state_dict()}
    )
    # These stand for the published weights.
    published = digest(read_trunk("alex", tmp_path / "alexnet.safetensors"))
    monkeypatch.setitem(DIGESTS, "alex", published)
    loss = LPIPSDistance("alex", tmp_path / "alexnet.safetensors")
    a = (torch.rand(2, 3, 72, 72) - 0.5).requires_grad_()
    b = torch.rand(2, 3, 72, 72) - 0.5
    torch.testing.assert_close(loss(a, b), package(a, b).mean())
    loss(a, b).backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()
