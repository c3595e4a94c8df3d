"""Deep features of a photo, the input of mask prediction."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inversion import FeatureStyleEncoder


@dataclass(frozen=True)
class DeepFeatures:
    """Pictures and their features.

    Attributes:
        features: D^10 to the last layer, ``[B, C, h, w]``, by layer number.
        image: The pictures, ``[B, 3, H, W]`` in [-1, 1].
    """

    features: dict[int, Tensor]
    image: Tensor


def compute_deep_features(
    generator: Generator,
    encoder: FeatureStyleEncoder,
    image: Tensor,
    *,
    window: tuple[int, int, int] | None = None,
) -> DeepFeatures:
    """Inverts pictures (Sec. 3.1) and computes the features that masks are predicted from.

    Args:
        generator: The generator.
        encoder: Its encoder.
        image: ``[B, 3, H, W]`` in [-1, 1], as the encoder takes it; sides divisible by 32.
        window: (top, left, side) of a square of D^10 that the layers after D^10 are computed for;
            training samples pixels from such a window to save time.

    Returns:
        The features; those of layers cover the window only.
    """
    w_plus, feature = encoder(image.contiguous(memory_format=torch.channels_last))
    if window is not None:
        top, left, side = window
        feature = feature[:, :, top : top + side, left : left + side]
    features = generator.features(w_plus.float(), start=(FEATURE_LAYER, feature))
    return DeepFeatures(features, image)
