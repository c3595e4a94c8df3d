"""A small model whose masks are known beforehand."""

import torch

from stylecinegan import checkpoints
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask import MaskEnsemble


def write_model(folder, class_number):
    """Writes a model that takes every pixel of every photo for the same class."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    generator = Generator(256, 8, 1, channel_base=2048, channel_max=8, first_rgb_layer=10)
    encoder = FeatureStyleEncoder(14, 8, 8, (4, 4, 4, 4, 4), (1, 1, 1, 1), 4, 1)
    num_channels = generator.channels[64] + 2 * (generator.channels[128] + generator.channels[256])
    ensemble = MaskEnsemble(num_channels, num_members=2, hidden=(4, 4))
    for member in ensemble.members:
        last = member.layers[-1]
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.nn.functional.one_hot(torch.tensor(class_number), 3) * 9.0
    checkpoints.save(folder / "generator.safetensors", generator)
    checkpoints.save(folder / "encoder.safetensors", encoder)
    checkpoints.save(folder / "mask.safetensors", ensemble)
