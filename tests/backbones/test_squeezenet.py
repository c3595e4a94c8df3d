import numpy as np
import pytest
import torch

from stylecinegan.backbones.squeezenet import SqueezeNet, load_imagenet_weights
from stylecinegan.errors import InputError


def test_maps_are_halved_before_the_units_that_the_paper_pools_before():
    maps = SqueezeNet()(torch.zeros(1, 3, 64, 96))
    strides = {name: 64 // value.shape[2] for name, value in maps.items()}
    # Iandola et al. 2016, Table 1: maxpool1, maxpool4 and maxpool8.
    assert strides == {
        "conv1": 2,
        **dict.fromkeys(("fire2", "fire3", "fire4"), 4),
        **dict.fromkeys(("fire5", "fire6", "fire7", "fire8"), 8),
        "fire9": 16,
    }
    assert [value.shape[1] for value in maps.values()] == [
        96, 128, 128, 256, 256, 384, 384, 512, 512,
    ]  # fmt: skip


def test_red_and_blue_are_told_apart_and_the_mean_is_taken_away():
    network = SqueezeNet(2)
    with torch.no_grad():
        network.conv1.weight.zero_()
        network.conv1.weight[0, 2, 3, 3] = 1.0  # the last channel of BGR: red
        network.conv1.bias.zero_()
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    conv1 = network(red)["conv1"]
    torch.testing.assert_close(conv1[0, 0], torch.full((4, 4), 255.0 - 123.0))


def test_weights_come_from_a_file_and_a_damaged_or_incomplete_file_is_refused(tmp_path):
    source, target = SqueezeNet(3), SqueezeNet(3)
    weights = {name: value.detach().numpy() for name, value in source.named_parameters()}
    np.savez(tmp_path / "whole.npz", **weights, conv10=np.zeros(3))
    load_imagenet_weights(target, tmp_path / "whole.npz")
    for name, value in target.named_parameters():
        assert torch.equal(value, dict(source.named_parameters())[name]), name
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.npz must hold weights of SqueezeNet"):
        load_imagenet_weights(target, tmp_path / "cut.npz")
    weights.pop("fire3.squeeze1x1.bias")
    np.savez(tmp_path / "part.npz", **weights)
    with pytest.raises(InputError, match=r"fire3\.squeeze1x1\.bias is missing"):
        load_imagenet_weights(target, tmp_path / "part.npz")
