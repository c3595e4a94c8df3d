"""Change of appearance: restyled codes and features (Eq. 5) and colour difference (Eq. 7)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from stylecinegan.appearance.interpolation import choose_style_layers, interpolate_codes
from stylecinegan.appearance.schedule import Schedule, check_schedule, style_strength
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.warping.settings import extend


@dataclass(frozen=True)
class StyleChange:
    """Change of appearance over the loop.

    Attributes:
        target: Latent codes of the target style, ``[1, num_styles, style_dim]``.
        strength: The maximum of β (Eq. 5); above 1 the style is extrapolated.
        schedule: Schedule of β, see :func:`~stylecinegan.appearance.schedule.style_strength`.
        layers: The paper's numbers of the layers whose codes are interpolated; by default all after
            D^10.
        use_exact: Whether to run the generator for every frame instead of for keyframes of β.

    Raises:
        InputError: If the strength is not finite or the schedule unknown.
    """

    target: Tensor
    strength: float = 1.0
    schedule: Schedule = "there_and_back"
    layers: Sequence[int] | None = None
    use_exact: bool = False

    def __post_init__(self) -> None:
        check_schedule(self.schedule)
        if not math.isfinite(self.strength):
            raise InputError(f"style_strength must be a finite number, got {self.strength}")

    def strength_at(self, progress: float) -> float:
        """Style strength β at t / N = ``progress`` in [0, 1]."""
        return style_strength(progress, self.schedule, self.strength)


def restyle(
    generator: Generator,
    w_plus: Tensor,
    features: Mapping[int, Tensor],
    change: StyleChange,
    strength: float,
) -> tuple[Tensor, dict[int, Tensor]]:
    """Computes codes w_s (Eq. 5) and deep features of a photo in a new style, with the same D^10.

    Args:
        generator: The generator.
        w_plus: Codes of the photo, ``[1, num_styles, style_dim]``.
        features: Its deep features by layer, from D^10 on, ``[1, C, R, R]``.
        change: Target and layers.
        strength: β.

    Returns:
        Codes, ``[1, num_styles, style_dim]``, and features by layer.

    Raises:
        InputError: If the target or the layers do not fit the generator.
    """
    layers = choose_style_layers(change.layers, generator.last_layer)
    if change.target.shape != w_plus.shape:
        raise InputError(
            f"the style's codes must be {list(w_plus.shape)} for this generator, "
            f"got {list(change.target.shape)}"
        )
    if strength == 0.0:
        return w_plus, dict(features)
    codes = interpolate_codes(w_plus, change.target, strength, layers)
    before = layers[0] - 1  # the last unchanged layer
    styled = generator.features(codes, start=(before, features[before]))
    return codes, {**features, **styled}


def color_difference(
    styled: Tensor, plain: Tensor, inner_size: Sequence[int], size: Sequence[int]
) -> Tensor:
    """Colour difference ``ΔI_s = G(D^10, w_s) - G(D^10, w)`` at the photo's size (Eq. 7).

    Args:
        styled: G(D^10, w_s), ``[1, 3, H, W]``, not clamped.
        plain: G(D^10, w), likewise.
        inner_size: (height, width) of the photo within these pictures, without padding.
        size: (height, width) of the photo, larger if it was downsampled for the inversion.

    Returns:
        ``[1, 3, H, W]``, the photo's size extended to sides divisible by 32.
    """
    difference = (styled - plain)[:, :, : inner_size[0], : inner_size[1]]
    if tuple(inner_size) != tuple(size):
        difference = F.interpolate(difference, tuple(size), mode="bilinear")
    return extend(difference)
