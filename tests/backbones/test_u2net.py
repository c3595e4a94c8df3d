from pathlib import Path

import numpy as np
import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.backbones.u2net import U2Net, add_classes, load_sky_weights
from stylecinegan.errors import InputError

WEIGHTS = Path(__file__).parents[3] / "shared/data/weights"
needs_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason="needs ../shared/data/weights")


def golden():
    with np.load(WEIGHTS / "u2netp_sky_golden.npz") as archive:
        image = torch.from_numpy(archive["image"]).permute(2, 0, 1)[None].float() / 127.5 - 1.0
        return image, torch.from_numpy(archive["probability"]).float()


@needs_weights
@torch.no_grad()
def test_the_public_weights_give_the_published_probabilities():
    network = U2Net().eval()
    load_sky_weights(network, WEIGHTS / "u2netp_sky.npz")
    image, probability = golden()
    found = network(image).sigmoid()[0, 0]
    torch.testing.assert_close(found, probability, atol=2e-3, rtol=0.0)


@needs_weights
@torch.no_grad()
def test_with_three_classes_the_sky_starts_as_the_public_network_finds_it():
    network = U2Net(3).eval()
    load_sky_weights(network, WEIGHTS / "u2netp_sky.npz")
    image, probability = golden()
    assert (network(image).softmax(dim=1)[0, 1] - probability).abs().mean() < 0.03


@torch.no_grad()
def test_every_output_has_the_size_of_the_picture_and_the_weights_are_1_13_million():
    network = U2Net(3).eval()
    outputs = network.outputs(torch.zeros(2, 3, 65, 97))
    assert [tuple(x.shape) for x in outputs] == [(2, 3, 65, 97)] * 7
    count = sum(weight.numel() for weight in U2Net().parameters())
    assert count == pytest.approx(1.13e6, rel=0.01)


def test_weights_in_bytes_are_rebuilt(tmp_path):
    network = U2Net(2)
    checkpoints.save(tmp_path / "network.safetensors", network, use_bytes=True)
    loaded = checkpoints.load(tmp_path / "network.safetensors", U2Net)
    picture = torch.linspace(-1.0, 1.0, 3 * 48 * 48).view(1, 3, 48, 48)
    torch.testing.assert_close(loaded(picture), network(picture), atol=0.05, rtol=0.05)


def test_a_file_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must hold weights of U²-Net-p"):
        load_sky_weights(U2Net(), tmp_path / "missing.npz")
    np.savez(tmp_path / "other.npz", weight=np.zeros(3))
    with pytest.raises(InputError, match=r"outconv.weight is missing"):
        load_sky_weights(U2Net(), tmp_path / "other.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-30])
    with pytest.raises(InputError, match=r"cut\.npz must hold weights of U²-Net-p"):
        load_sky_weights(U2Net(), tmp_path / "cut.npz")


def test_further_classes_start_with_an_eighth_of_the_last_ones_odds():
    torch.manual_seed(0)
    network = U2Net(3).eval()
    image = torch.rand(1, 3, 64, 64) * 2.0 - 1.0
    before, after = network(image), add_classes(network, 5).eval()(image)
    torch.testing.assert_close(after[:, :3], before)
    torch.testing.assert_close(after[:, 3:], (before[:, 2:] - 2.0).expand(-1, 2, -1, -1))
    with pytest.raises(InputError, match="cannot turn 3 classes into 2"):
        add_classes(network, 2)
