"""A model of a few weights, its files, and clips that drift by whole pixels."""

import numpy as np
import torch

from stylecinegan import StyleCineGAN, checkpoints, io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder


def make_model(generator_settings=None, **settings):
    """A model of random weights; with ``{"appearance_dim": 5}`` it has an appearance head."""
    torch.manual_seed(0)
    sizes = {"channel_base": 2048, "channel_max": 8, "first_rgb_layer": 10}
    generator = Generator(256, 8, 1, **sizes, **(generator_settings or {}))
    encoder = FeatureStyleEncoder(14, 8, 8, (4, 4, 4, 4, 4), (1, 1, 1, 1), 4, 1)
    if generator.appearance is not None:
        for style in encoder.styles[9:]:  # as after training: codes of photos are zero there
            torch.nn.init.zeros_(style.weight)
            torch.nn.init.zeros_(style.bias)
    return StyleCineGAN(generator, encoder, **settings).eval().requires_grad_(False)


def write_model(folder):
    """Writes the model's files; generator and encoder alone."""
    model = make_model()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.save(folder / "generator.safetensors", model.generator)
    checkpoints.save(folder / "encoder.safetensors", model.encoder)
    return model


def write_example(folder, height=64, width=96):
    """Writes the model to `model`, a photo and its mask; the drawn landscape."""
    write_model(folder / "model")
    drawn = draw_landscape(height, width, seed=1)
    io.write_image(folder / "photo.png", drawn.image)
    io.write_mask(folder / "mask.png", drawn.mask)
    return drawn


def drifting_clip(num_frames=6, side=64, seed=0):
    """Clouds that move to the right by a pixel a frame, above land that rests."""
    landscape = draw_landscape(side, side, seed)
    frames = []
    for time in range(num_frames):
        image = landscape.image.clone()
        image[:, :, : side // 2] = image[:, :, : side // 2].roll(time, dims=3)
        frames.append(io.to_uint8(image).numpy())
    return np.stack(frames)
