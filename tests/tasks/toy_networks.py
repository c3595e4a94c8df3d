"""Generators, encoders and layouts of toy size, and their files."""

import torch

from stylecinegan import checkpoints
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.tasks.layout_gan import LayoutGANTask

WIDTHS = {4: 24, 8: 24, 16: 16, 32: 16, 64: 16, 128: 8}
"""Channels of the generators, by resolution."""


def make_generator(side=128):
    """A generator with a projection from features to codes."""
    return Generator(
        side,
        16,
        2,
        channels={**WIDTHS, 256: 8} if side == 256 else WIDTHS,
        first_rgb_layer=10,
        use_feature_projection=True,
    )


def make_encoder():
    """An encoder of the generators of 128 pixels."""
    return FeatureStyleEncoder(12, 16, 16, (8, 8, 8, 8, 8), (1, 1, 1, 1), 8, 1)


def write_networks(folder, squeezenet, side=128, *, shares_layers=False):
    """Writes an encoder, a generator and a layout; returns the task that exported the layout.

    Args:
        folder: Folder to write to.
        squeezenet: File of SqueezeNet's weights.
        side: Resolution of the generator.
        shares_layers: Whether the layout is that of the generator, or another one's.
    """
    torch.manual_seed(0)
    generator = make_generator(side)
    checkpoints.save(folder / "generator.safetensors", generator)
    checkpoints.save(folder / "encoder.safetensors", make_encoder())
    lower = generator if shares_layers else make_generator(side)
    layout = LayoutGANTask(lower, trunk="none", feature_weights=squeezenet, width=16)
    layout.export(folder)
    return layout
