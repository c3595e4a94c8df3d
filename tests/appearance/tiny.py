"""A tiny model and a drawn scene to change the style of."""

import torch

from stylecinegan import StyleCineGAN
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.motion.controls.controls import directed_motion


def tiny_model(generator_settings: dict | None = None, **settings):
    """A model; with ``appearance_dim`` it has an appearance head."""
    torch.manual_seed(0)
    sizes = {"channel_base": 2048, "channel_max": 8, "first_rgb_layer": 10}
    generator = Generator(256, 8, 1, **sizes, **(generator_settings or {}))
    encoder = FeatureStyleEncoder(14, 8, 8, (4, 4, 4, 4, 4), (1, 1, 1, 1), 4, 1)
    if generator.appearance is not None:
        for style in encoder.styles[9:]:  # as after training: codes of photos are zero there
            torch.nn.init.zeros_(style.weight)
            torch.nn.init.zeros_(style.bias)
    return StyleCineGAN(generator, encoder, **settings).eval().requires_grad_(False)


def scene(height=64, width=96):
    """Photo, and mask and motion as arguments of ``animate``."""
    drawn = draw_landscape(height, width, seed=2)
    return drawn.image, {"mask": drawn.mask, "motion": directed_motion("right", drawn.mask)}
