"""Appearance descriptor of a picture, in the shape of its latent codes."""

import torch
from torch import Tensor

from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, NUM_STRUCTURE_CODES
from stylecinegan.inversion.inversion import Inversion


def describe(generator: Generator, w_plus: Tensor, feature: Tensor) -> Tensor:
    """Appearance descriptor of a picture: its codes, or the output of the appearance head for D^10.

    Args:
        generator: The generator.
        w_plus: Codes of the picture, ``[1, num_styles, style_dim]``.
        feature: Its D^10, ``[1, C, R, R]``.

    Returns:
        ``[1, num_styles, style_dim]``. With a head, each row of a layer after D^10 is the output of
        the head, padded with zeros.
    """
    if generator.appearance is None:
        return w_plus
    descriptor = w_plus.clone()
    components = generator.appearance(feature)
    descriptor[:, NUM_STRUCTURE_CODES:] = 0.0
    descriptor[:, NUM_STRUCTURE_CODES:, : components.shape[1]] = components.unsqueeze(1)
    return descriptor


@torch.no_grad()
def describe_inversion(generator: Generator, inversion: Inversion) -> Tensor:
    """Appearance descriptor of an inverted photo, as by :func:`describe`."""
    return describe(generator, inversion.w_plus, inversion.features[FEATURE_LAYER])


@torch.no_grad()
def describe_sample(generator: Generator, seed: int, truncation: float) -> Tensor:
    """Appearance descriptor of a sample of the generator, without rendering it."""
    w_plus = generator.sample_w_plus(seed, truncation=truncation)
    if generator.appearance is None:
        return w_plus
    features = generator.features(w_plus, last=FEATURE_LAYER)
    return describe(generator, w_plus, features[FEATURE_LAYER])


@torch.no_grad()
def codes_of_change(generator: Generator, w_plus: Tensor, change: Tensor) -> Tensor:
    """Target codes w_t for a change of the appearance descriptor.

    Args:
        generator: The generator.
        w_plus: Codes of the photo, ``[1, num_styles, style_dim]``.
        change: Difference of two descriptors, ``[1, num_styles, style_dim]``.

    Returns:
        ``[1, num_styles, style_dim]``; equals ``w_plus`` for no change.
    """
    head = generator.appearance
    if head is None:
        return w_plus + change
    target = w_plus.clone()
    components = change[:, NUM_STRUCTURE_CODES:, : head.num_components]
    target[:, NUM_STRUCTURE_CODES:] += head.offset(components)
    return target
