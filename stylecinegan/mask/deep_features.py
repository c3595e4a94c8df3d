"""What the mask is read from: the generator's and the encoder's features of a photo."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inversion import FeatureStyleEncoder

CONTEXT_STRIDE = 2
"""Pixels of D^10 to one pixel of the context maps."""


@dataclass(frozen=True)
class DeepFeatures:
    """The networks' features of pictures.

    Attributes:
        features: D^10 to the last layer, ``[B, C, h, w]``, by layer number.
        context: D^10 and the encoder's blocks after the first at half D^10's resolution, the
            coarser blocks enlarged, ``[B, C', h / 2, w / 2]``.
    """

    features: dict[int, Tensor]
    context: Tensor


def compute_deep_features(
    generator: Generator,
    encoder: FeatureStyleEncoder,
    image: Tensor,
    *,
    window: tuple[int, int, int] | None = None,
) -> DeepFeatures:
    """Inverts pictures (Sec. 3.1) and keeps all that a mask can be read from.

    Args:
        generator: The generator.
        encoder: Its encoder.
        image: ``[B, 3, H, W]`` in [-1, 1], as the encoder takes it; sides divisible by 32.
        window: Computes the layers after D^10 on a square of D^10 only, (top, left, side): what
            training samples pixels from need not cover the picture.

    Returns:
        The features; those by layer cover the window only.
    """
    w_plus, feature, context = encode_context(encoder, image)
    if window is not None:
        top, left, side = window
        feature = feature[:, :, top : top + side, left : left + side]
    features = generator.features(w_plus.float(), start=(FEATURE_LAYER, feature))
    return DeepFeatures(features, context)


def encode_context(encoder: FeatureStyleEncoder, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Encodes pictures (arguments as in :func:`compute_deep_features`).

    Returns:
        ``w_plus``, D^10 and :attr:`DeepFeatures.context`.
    """
    blocks: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        blocks.append(output)

    hooks = [block.register_forward_hook(keep) for block in list(encoder.blocks)[1:]]
    try:
        w_plus, feature = encoder(image.contiguous(memory_format=torch.channels_last))
    finally:
        for hook in hooks:
            hook.remove()
    height, width = (side // CONTEXT_STRIDE for side in feature.shape[2:])
    context = torch.cat(
        [_resize(part.float(), (height, width)) for part in (feature, *blocks)], dim=1
    )
    return w_plus, feature, context


def num_context_channels(encoder: FeatureStyleEncoder) -> int:
    """Channels of :attr:`DeepFeatures.context`."""
    feature = encoder.arguments["feature_channels"]
    widths = encoder.arguments["widths"]
    assert isinstance(feature, int)
    assert isinstance(widths, list)
    return feature + sum(widths[2:])


def _resize(feature: Tensor, size: tuple[int, int]) -> Tensor:
    if feature.shape[2] >= size[0]:
        return F.adaptive_avg_pool2d(feature, size)
    return F.interpolate(feature, size, mode="bilinear")
