"""Foreign files against networks that are built here once more, layer by layer."""

import pytest
import torch
from torch import nn

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.importers.released_motion import load_motion_generator
from stylecinegan.motion.generator import MotionGenerator


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x):
        return x + self.conv_block(x)


class Published(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.model = nn.Sequential(*layers)


def published(variant):
    """One downsampling, two blocks, width 4."""
    if variant == "pix2pixhd":
        up = [nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)]
        end = [nn.Tanh()]
    else:
        up = [
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(8, 4, 3, stride=1, padding=1),
        ]
        end = []
    return Published([
        nn.ReflectionPad2d(3), nn.Conv2d(3, 4, 7), nn.InstanceNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.InstanceNorm2d(8), nn.ReLU(),
        Block(8), Block(8),
        *up, nn.InstanceNorm2d(4), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(4, 2, 7), *end,
    ])  # fmt: skip


@pytest.mark.parametrize("variant", ["stylecinegan", "pix2pixhd"])
def test_a_released_file_is_recognised_by_its_keys_and_computes_the_same(variant, tmp_path):
    torch.manual_seed(0)
    network = published(variant)
    torch.save(network.state_dict(), tmp_path / "latest_net_G.pth")
    generator = load_motion_generator(tmp_path / "latest_net_G.pth")
    assert generator.arguments == {
        "in_channels": 3,
        "width": 4,
        "num_downsamplings": 1,
        "num_blocks": 2,
        "variant": variant,
        "side": 512,
    }
    photo = torch.rand(1, 3, 24, 32)
    torch.testing.assert_close(generator(photo), network.model(photo))


def test_a_file_of_something_else_is_refused_in_one_line(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other.pth must hold a pix2pixHD generator"):
        load_motion_generator(tmp_path / "other.pth")
    torch.save(
        {"model.1.weight": torch.zeros(4, 3, 7, 7), "model.1.bias": torch.zeros(4)},
        tmp_path / "stem.pth",
    )
    with pytest.raises(InputError, match="no residual blocks"):
        load_motion_generator(tmp_path / "stem.pth")


def test_a_tensor_that_is_missing_is_named(tmp_path):
    state = published("stylecinegan").state_dict()
    del state["model.8.conv_block.5.bias"]
    torch.save(state, tmp_path / "latest_net_G.pth")
    with pytest.raises(InputError, match=r"lacks the tensor model.8.conv_block.5.bias \[8\]"):
        load_motion_generator(tmp_path / "latest_net_G.pth")


def test_our_own_file_loads_by_its_suffix(tmp_path):
    checkpoints.save(tmp_path / "motion.safetensors", MotionGenerator(5, 4, 1, 1))
    assert load_motion_generator(tmp_path / "motion.safetensors").in_channels == 5
