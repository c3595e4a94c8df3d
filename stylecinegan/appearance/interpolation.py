"""Style interpolation of latent codes (Eq. 5)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.generator.stylegan2 import FEATURE_LAYER


def choose_style_layers(layers: Sequence[int] | None, last_layer: int) -> list[int]:
    """Layers whose codes are interpolated; by default all layers after D^10.

    D^10 determines the structure of the picture, the later codes its colours.

    Args:
        layers: The paper's layer numbers; ``None`` for the default.
        last_layer: The generator's last layer.

    Raises:
        InputError: If ``layers`` is empty or holds a layer up to D^10.
    """
    possible = range(FEATURE_LAYER + 1, last_layer + 1)
    chosen = set(possible if layers is None else layers)
    if not chosen or not chosen <= set(possible):
        raise InputError(
            f"style_layers must be layers from {possible[0]} to {last_layer}, "
            f"got {list(layers or ())}"
        )
    return sorted(chosen)


def interpolate_codes(
    w_plus: Tensor, target: Tensor, strength: float, layers: Sequence[int]
) -> Tensor:
    """Interpolates codes in the chosen layers, ``w_s = w (1 - β) + w_t β`` (Eq. 5).

    A to-RGB layer shares the code of the convolution after it. The last one has a code of its own,
    which is interpolated with that of the last layer.

    Args:
        w_plus: Codes of the photo, ``[1, num_styles, style_dim]``.
        target: Codes of the target style, the same shape.
        strength: β; above 1 or below 0 it extrapolates.
        layers: The paper's numbers of the layers that take the new style.

    Returns:
        ``[1, num_styles, style_dim]``.
    """
    last_layer = w_plus.shape[1]
    codes = [layer - 2 for layer in layers]
    if last_layer in layers:
        codes.append(last_layer - 1)
    styled = w_plus.clone()
    styled[:, codes] = torch.lerp(w_plus[:, codes], target.to(w_plus)[:, codes], strength)
    return styled
