"""Restyling of a photo over the loop, by its inversion and a colour difference."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from stylecinegan.appearance.interpolation import choose_style_layers
from stylecinegan.appearance.keyframes import exact_at_every_frame, interpolate_keyframes
from stylecinegan.appearance.style_change import StyleChange, color_difference, restyle
from stylecinegan.appearance.styled_photo import StyledPhoto
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inversion.inversion import Inversion

logger = logging.getLogger(__name__)

Restyle = Callable[[float], tuple[Inversion, Tensor]]
"""Function from β to the restyled inversion and ΔI_s, ``[1, 3, H', W']``."""


def restyling(
    generator: Generator,
    inversion: Inversion,
    image: Tensor,
    change: StyleChange,
    *,
    first_rgb_layer: int = FEATURE_LAYER,
) -> Restyle:
    """Prepares a photo for changes of style (Eqs. 5 and 7).

    ``w_s = (1 - β) w + β w_t`` and ``ΔI_s = G(D^10, w_s) - G(D^10, w)``.

    Args:
        generator: The generator.
        inversion: Inversion of the photo.
        image: The photo, ``[1, 3, H, W]``.
        change: Target and layers.
        first_rgb_layer: First layer that contributes to the rendered pictures G.

    Returns:
        A function of β; ΔI_s has the photo's size, extended to sides divisible by 32.

    Raises:
        InputError: If target or layers do not fit the generator.
    """
    layers = choose_style_layers(change.layers, generator.last_layer)
    if not _depends_on_codes(generator, layers):
        logger.warning(
            "the style changes nothing: layers %s of this model ignore their codes", layers
        )
    # The dtype of the inversion, so that ΔI_s is exactly zero for β = 0.
    dtype = inversion.features[generator.last_layer].dtype

    @torch.no_grad()
    def run(beta: float) -> tuple[Inversion, Tensor]:
        with torch.autocast(image.device.type, dtype, dtype != torch.float32):
            w_plus, features = restyle(
                generator, inversion.w_plus, inversion.features, change, beta
            )
            shown = {layer: features[layer] for layer in features if layer >= first_rgb_layer}
            picture = generator.render(shown, w_plus)
        return replace(inversion, w_plus=w_plus, features=features), picture

    _, plain = run(0.0)

    def restyled(beta: float) -> tuple[Inversion, Tensor]:
        styled, picture = run(beta)
        sizes = inversion.image.shape[2:], image.shape[2:]
        return styled, color_difference(picture, plain, *sizes)

    return restyled


def style_path(
    restyled: Restyle,
    plain: StyledPhoto,
    change: StyleChange,
    prepare: Callable[[Inversion, Tensor], StyledPhoto],
) -> Callable[[float], StyledPhoto]:
    """Creates the function from the time in the loop to the styled photo.

    Args:
        restyled: The result of :func:`restyling`.
        plain: The photo without a change of style (β = 0), ready to be animated.
        change: Schedule.
        prepare: Prepares a restyled inversion and I + ΔI_s, ``[1, 3, H', W']``, for animation.

    Returns:
        A function of t / N.
    """

    def style_at(beta: float) -> StyledPhoto:
        if beta == 0.0:
            return plain
        styled, difference = restyled(beta)
        return prepare(styled, plain.photo + difference)

    if change.use_exact:
        style_of = exact_at_every_frame(style_at)
    else:
        style_of = interpolate_keyframes(style_at, change.strength_at(0.0), change.strength)
    return lambda progress: style_of(change.strength_at(progress))


def _depends_on_codes(generator: Generator, layers: Sequence[int]) -> bool:
    """Whether any of the layers, or a to-RGB layer with the same code, depends on its code."""
    last = [generator.last_layer] if generator.last_layer in layers else []
    rgb_layers = [layer - 1 for layer in layers] + last
    modules = [generator.convs[str(layer)] for layer in layers]
    modules += [generator.to_rgbs[str(n)] for n in rgb_layers if str(n) in generator.to_rgbs]
    weights = [module.get_parameter("conv.modulation.weight") for module in modules]
    return any(bool(weight.any()) for weight in weights)
