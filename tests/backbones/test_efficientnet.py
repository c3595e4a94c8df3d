import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stylecinegan.backbones.efficientnet import EfficientNet, SameConv, load_imagenet_weights
from stylecinegan.errors import InputError


@pytest.fixture(scope="module")
def published():
    """Random weights under the published names, as the released file holds them."""
    state = {}

    def add(conv, norm, layer):
        width = layer.weight.shape[0]
        state[f"{conv}.weight"] = torch.randn(layer.weight.shape)
        state[f"{norm}.weight"] = torch.rand(width) + 0.5
        state[f"{norm}.bias"] = torch.randn(width)
        state[f"{norm}.running_mean"] = torch.randn(width)
        state[f"{norm}.running_var"] = torch.rand(width) + 0.1
        state[f"{norm}.num_batches_tracked"] = torch.tensor(1)

    torch.manual_seed(0)
    network = EfficientNet()
    add("_conv_stem", "_bn0", network.stem)
    for number, block in enumerate(network.blocks):
        prefix = f"_blocks.{number}."
        if block.expand is not None:
            add(prefix + "_expand_conv", prefix + "_bn0", block.expand)
        add(prefix + "_depthwise_conv", prefix + "_bn1", block.depthwise)
        add(prefix + "_project_conv", prefix + "_bn2", block.project)
    state["_fc.weight"] = torch.zeros(1000, 1280)
    return state


def test_maps_have_a_quarter_an_eighth_and_a_sixteenth_of_the_resolution():
    maps = EfficientNet()(torch.zeros(1, 3, 64, 96))
    assert [tuple(one.shape[1:]) for one in maps] == [(24, 16, 24), (40, 8, 12), (112, 4, 6)]
    assert EfficientNet.num_channels == (24, 40, 112)


def test_odd_sides_are_rounded_up():
    maps = EfficientNet()(torch.zeros(1, 3, 65, 47))
    assert [tuple(one.shape[2:]) for one in maps] == [(17, 12), (9, 6), (5, 3)]


def test_an_odd_padding_is_larger_at_the_right_and_bottom():
    layer = SameConv(1, 1, 3, 2)
    nn.init.zeros_(layer.bias)
    nn.init.zeros_(layer.weight)
    layer.weight.data[0, 0, 2, 2] = 1.0
    picture = torch.arange(16.0).view(1, 1, 4, 4)
    # Of windows that begin at (0, 0), (0, 2), … the lower right pixel: two of them lie outside.
    assert layer(picture).tolist() == [[[[10.0, 0.0], [0.0, 0.0]]]]


def test_batch_normalisation_is_folded_into_the_published_weights(published, tmp_path):
    torch.save(published, tmp_path / "weights.pth")
    network = EfficientNet()
    load_imagenet_weights(network, tmp_path / "weights.pth")

    def normalize(x, name):
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(published[f"{name}.{part}"] for part in names), eps=1e-3)

    image = torch.rand(1, 3, 16, 16) * 2.0 - 1.0
    x = F.conv2d(F.pad(image, (0, 1, 0, 1)), published["_conv_stem.weight"], stride=2)
    x = F.relu6(normalize(x, "_bn0"))
    torch.testing.assert_close(F.relu6(network.stem(image)), x, atol=1e-4, rtol=1e-4)
    # The first block does not expand, the third adds its input.
    y = F.conv2d(x, published["_blocks.0._depthwise_conv.weight"], padding=1, groups=32)
    y = F.relu6(normalize(y, "_blocks.0._bn1"))
    y = normalize(F.conv2d(y, published["_blocks.0._project_conv.weight"]), "_blocks.0._bn2")
    torch.testing.assert_close(network.blocks[0](x), y, atol=1e-3, rtol=1e-4)
    x = torch.randn(1, 24, 6, 6)
    y = F.conv2d(x, published["_blocks.2._expand_conv.weight"])
    y = F.relu6(normalize(y, "_blocks.2._bn0"))
    y = F.conv2d(y, published["_blocks.2._depthwise_conv.weight"], padding=1, groups=144)
    y = F.relu6(normalize(y, "_blocks.2._bn1"))
    y = normalize(F.conv2d(y, published["_blocks.2._project_conv.weight"]), "_blocks.2._bn2")
    torch.testing.assert_close(network.blocks[2](x), x + y, atol=1e-3, rtol=1e-4)


def test_a_file_of_another_network_is_refused(published, tmp_path):
    file = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, file)
    with pytest.raises(InputError, match=r"no weights of EfficientNet-Lite0 \(_conv_stem.weight"):
        load_imagenet_weights(EfficientNet(), file)
    torch.save({**published, "_conv_stem.weight": torch.zeros(40, 3, 3, 3)}, file)
    with pytest.raises(InputError, match=r"_conv_stem is \[40, 3, 3, 3\]"):
        load_imagenet_weights(EfficientNet(), file)
    with pytest.raises(InputError, match=r"missing\.pth"):
        load_imagenet_weights(EfficientNet(), tmp_path / "missing.pth")
