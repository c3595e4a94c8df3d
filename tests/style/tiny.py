"""A tiny model and a drawn scene to change the style of."""

import torch

from stylecinegan import StyleCineGAN
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.motion.controls import directed_motion


def tiny_model(**settings):
    torch.manual_seed(0)
    generator = Generator(256, 8, 1, channel_base=2048, channel_max=8, first_rgb_layer=10)
    encoder = FeatureStyleEncoder(14, 8, 8, (4, 4, 4, 4, 4), (1, 1, 1, 1), 4, 1)
    return StyleCineGAN(generator, encoder, **settings).eval().requires_grad_(False)


def scene(height=64, width=96):
    """Photo, and mask and motion as arguments of ``animate``."""
    drawn = draw_landscape(height, width, seed=2)
    return drawn.image, {"mask": drawn.mask, "motion": directed_motion("right", drawn.mask)}
