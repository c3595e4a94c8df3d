"""A model of a few weights, and clips that drift by whole pixels."""

import numpy as np
import torch

from stylecinegan import StyleCineGAN
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.io import to_uint8


def make_model():
    torch.manual_seed(0)
    generator = Generator(256, 8, 1, channel_base=2048, channel_max=8, first_rgb_layer=10)
    encoder = FeatureStyleEncoder(14, 8, 8, (4, 4, 4, 4, 4), (1, 1, 1, 1), 4, 1)
    return StyleCineGAN(generator, encoder).eval().requires_grad_(False)


def drifting_clip(num_frames=6, side=64, seed=0):
    """Clouds that move to the right by a pixel a frame, above land that rests."""
    landscape = draw_landscape(side, side, seed)
    frames = []
    for time in range(num_frames):
        image = landscape.image.clone()
        image[:, :, : side // 2] = image[:, :, : side // 2].roll(time, dims=3)
        frames.append(to_uint8(image).numpy())
    return np.stack(frames)
