"""Settings of a style: target codes and change of appearance."""

import math

from omegaconf import DictConfig, ListConfig
from torch import Tensor

from stylecinegan import StyleCineGAN
from stylecinegan.appearance import Style, StyleChange, StyleTarget, find_target
from stylecinegan.appearance.schedule import check_schedule
from stylecinegan.appearance.target import check_picture_inversion
from stylecinegan.errors import InputError
from stylecinegan.inputs import check_number
from stylecinegan.losses.adversarial import SqueezeNetFeatures
from stylecinegan.losses.perceptual import FeatureDistance


def check_picture_settings(cfg: DictConfig) -> None:
    """Checks the settings of sampling and inversion.

    Raises:
        InputError: If one is invalid.
    """
    check_number("truncation", cfg.truncation, least=0)
    check_picture_inversion(cfg.style_inversion)


def check_style_settings(cfg: DictConfig) -> None:
    """Checks all settings of a style.

    Raises:
        InputError: If one is invalid.
    """
    check_picture_settings(cfg)
    check_schedule(cfg.style_schedule)
    strength = cfg.style_strength
    is_number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not is_number or not math.isfinite(strength):
        raise InputError(f"style_strength must be a finite number, got {strength}")


def make_target(cfg: DictConfig, style: Style, model: StyleCineGAN) -> StyleTarget:
    """Computes the target of a style with the settings of sampling and inversion.

    Raises:
        InputError: If a file of the settings cannot be used.
    """
    perceptual = None
    if cfg.style_features is not None:
        features = SqueezeNetFeatures(cfg.style_features).to(model.generator.w_mean.device)
        perceptual = FeatureDistance(features)
    return find_target(
        style,
        model,
        inversion=cfg.style_inversion,
        perceptual=perceptual,
        truncation=cfg.truncation,
    )


def make_style(cfg: DictConfig, target: Tensor) -> StyleChange:
    """Creates the change of appearance to target codes, ``[1, num_styles, style_dim]``."""
    return StyleChange(
        target,
        cfg.style_strength,
        cfg.style_schedule,
        chosen_layers(cfg),
        use_exact=cfg.style_exact,
    )


def chosen_layers(cfg: DictConfig) -> list | None:
    """Layers whose codes change, ``None`` for the default; a single one needs no list."""
    layers = cfg.style_layers
    if layers is None:
        return None
    return list(layers) if isinstance(layers, ListConfig) else [layers]
