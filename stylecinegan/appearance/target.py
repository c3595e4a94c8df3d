"""Styles as specified by users, and their target codes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from torch import Tensor

from stylecinegan.appearance.descriptor import codes_of_change, describe_inversion, describe_sample
from stylecinegan.appearance.directions import find_directions
from stylecinegan.appearance.latent_files import LATENT_SUFFIXES, read_latent
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion.inversion import Inversion
from stylecinegan.inversion.optimization import optimize_codes
from stylecinegan.io import read_image

PictureInversion = Literal["encoder", "optimization"]

_SLIDER = re.compile(r"pc(\d+):([+-]?(?:\d+\.?\d*|\.\d+))")


class Inverter(Protocol):
    """A model that inverts photos, such as :class:`~stylecinegan.pipeline.StyleCineGAN`."""

    generator: Generator

    def invert(self, image: Tensor) -> Inversion:
        """Projects a photo, ``[1, 3, H, W]``, to the generator's codes and features."""
        ...


@dataclass(frozen=True)
class Style:
    """A style as specified by the user, by exactly one of the attributes.

    Attributes:
        picture: Style image, ``[1, 3, H, W]`` in [-1, 1].
        seed: Seed of a sample of the generator.
        codes: Latent codes, ``[1, num_styles or 1, style_dim]``.
        sliders: Offsets in standard deviations, by the number of the principal component, from 1.
    """

    picture: Tensor | None = None
    seed: int | None = None
    codes: Tensor | None = None
    sliders: Mapping[int, float] | None = None


@dataclass(frozen=True)
class StyleTarget:
    """Target of a change of style.

    Attributes:
        codes: Appearance descriptor, ``[1, num_styles, style_dim]``, see
            :mod:`stylecinegan.appearance.descriptor`.
        is_offset: Whether the codes are added to those of the photo.
    """

    codes: Tensor
    is_offset: bool = False

    def codes_for(self, generator: Generator, inversion: Inversion) -> Tensor:
        """Target codes w_t for a photo, ``[1, num_styles, style_dim]``."""
        if self.is_offset:
            return codes_of_change(generator, inversion.w_plus, self.codes)
        if generator.appearance is None:
            return self.codes
        change = self.codes - describe_inversion(generator, inversion)
        return codes_of_change(generator, inversion.w_plus, change)

    def description(self, generator: Generator, inversion: Inversion) -> Tensor:
        """Descriptor of a photo in this style; as the codes of a style it gives the same target."""
        if not self.is_offset:
            return self.codes
        return describe_inversion(generator, inversion) + self.codes


def read_style(style: str) -> Style:
    """Parses a style as specified by the user.

    Args:
        style: An integer (a seed), ``pc3:+2`` or several such separated by commas (sliders), a
            ``.safetensors`` or ``.npz`` file (saved codes), or a picture file.

    Raises:
        InputError: If it is none of these.
    """
    if re.fullmatch(r"\d+", style):
        return Style(seed=int(style))
    if Path(style).suffix.lower() in LATENT_SUFFIXES:
        return Style(codes=read_latent(style))
    if re.match(r"pc\d+:", style):
        return Style(sliders=_parse_sliders(style))
    return Style(picture=read_image(style))


def find_target(
    style: Style,
    model: Inverter,
    *,
    inversion: PictureInversion = "encoder",
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    truncation: float = 0.7,
) -> StyleTarget:
    """Computes the target of a style.

    Args:
        style: The style.
        model: Generator and encoder.
        inversion: Inversion of a style image: by the encoder, or by optimisation from there.
        perceptual: Distance of two pictures in the optimisation; ``None`` drops the term.
        truncation: ψ of a sampled code.

    Raises:
        InputError: If saved codes or sliders do not fit the generator, or optimisation is asked
            for with a generator that has an appearance head.
    """
    generator = model.generator
    shape = (1, generator.num_styles, generator.style_dim)
    if style.sliders is not None:
        offset = find_directions(generator).offset(style.sliders)
        return StyleTarget(offset.expand(shape), is_offset=True)
    if style.seed is not None:
        return StyleTarget(describe_sample(generator, style.seed, truncation))
    if style.codes is not None:
        if style.codes.shape[1] not in (1, shape[1]) or style.codes.shape[2] != shape[2]:
            raise InputError(
                f"the style's codes must be {list(shape)} for this generator, "
                f"got {list(style.codes.shape)}"
            )
        return StyleTarget(style.codes.to(generator.w_mean).expand(shape))
    assert style.picture is not None
    picture = style.picture.to(generator.w_mean.device)
    if inversion == "optimization" and generator.appearance is not None:
        raise InputError(
            "style_inversion=optimization needs a generator whose codes hold the appearance; this "
            "one derives it from the deep feature: use style_inversion=encoder"
        )
    codes = describe_inversion(generator, model.invert(picture))
    if inversion == "optimization":
        codes = optimize_codes(generator, picture, codes, perceptual=perceptual)
    return StyleTarget(codes)


def check_picture_inversion(name: str) -> None:
    """Checks the name of an inversion of style images.

    Raises:
        InputError: If there is no such inversion.
    """
    if name not in get_args(PictureInversion):
        wanted = " or ".join(get_args(PictureInversion))
        raise InputError(f"style_inversion must be {wanted}, got {name}")


def _parse_sliders(style: str) -> dict[int, float]:
    sliders: dict[int, float] = {}
    for part in style.split(","):
        match = _SLIDER.fullmatch(part.strip())
        if match is None:
            raise InputError(f"style sliders must be like pc3:+2 or pc1:-1.5,pc4:2, got {style}")
        number = int(match[1])
        sliders[number] = sliders.get(number, 0.0) + float(match[2])
    return sliders
