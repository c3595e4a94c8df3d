"""A small model whose masks are known beforehand."""

import torch

from stylecinegan import checkpoints
from stylecinegan.mask import MaskEnsemble
from tests import tiny_model


def write_model(folder, class_number):
    """Writes a model that takes every pixel of every photo for the same class."""
    generator = tiny_model.write_model(folder).generator
    num_channels = generator.channels[64] + 2 * (generator.channels[128] + generator.channels[256])
    ensemble = MaskEnsemble(num_channels, num_members=2, hidden=(4, 4))
    for member in ensemble.members:
        last = member.layers[-1]
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.nn.functional.one_hot(torch.tensor(class_number), 3) * 9.0
    checkpoints.save(folder / "mask.safetensors", ensemble)
