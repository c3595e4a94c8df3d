"""Set-up of the generator's training: initial weights, discriminator, trained parameters."""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.discriminator import ProjectedDiscriminator, StyleGAN2Discriminator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, last_layer, layer_resolution
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.losses.adversarial import SqueezeNetFeatures


def load_weights(directory: Path, networks: nn.ModuleDict) -> None:
    """Copies ``NAME.safetensors`` of a folder into the network of that name.

    Raises:
        InputError: If a file is missing or does not fit.
    """
    for name, module in networks.items():
        path = directory / f"{name}.safetensors"
        weights = checkpoints.load(path, type(module)).state_dict()
        checkpoints.load_strictly(module, weights, path)


def load_top(path: Path, generator: Generator) -> None:
    """Loads the layers after D^10 and the to-RGB layers of another generator.

    Raises:
        InputError: If the file is unreadable or its layers have other shapes.
    """
    whole, state = generator.state_dict(), checkpoints.load(path, Generator).state_dict()
    top = {name: tensor for name, tensor in state.items() if is_of_top(name)}
    missing = [name for name in whole if is_of_top(name) and name not in top]
    wrong = [name for name in top if name not in whole or top[name].shape != whole[name].shape]
    if missing or wrong:
        raise InputError(f"the layers after D^10 in {path} do not fit: {(missing + wrong)[0]}")
    generator.load_state_dict({**whole, **top})


def is_of_top(name: str) -> bool:
    """Whether a weight of a generator belongs to the layers after D^10 or to a to-RGB layer."""
    parts = name.split(".")
    if parts[0] == "convs":
        return int(parts[1]) > FEATURE_LAYER
    return parts[0] in ("to_rgbs", "appearance")


def channel_statistics(feature: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``[C]`` and covariance ``[C, C]`` of the positions of ``[B, C, H, W]``."""
    samples = feature.permute(1, 0, 2, 3).flatten(1)
    return samples.mean(dim=1), torch.cov(samples)


def encoder_input(image: Tensor, generator: Generator) -> Tensor:
    """Downsamples pictures of a generator larger than 256 pixels to the encoder's input."""
    factor = generator.resolution // 256
    return F.avg_pool2d(image, factor) if factor > 1 else image


def view_layer(generator: Generator, resolution: int | None, *, needs_feature: bool) -> int:
    """Returns the layer whose partial picture has a resolution, by default the last.

    Raises:
        InputError: If the generator has no picture of that size, or none from D^10 on.
    """
    if resolution is None:
        return generator.last_layer
    least = max(generator.first_rgb_layer, FEATURE_LAYER if needs_feature else 0)
    sides = [layer_resolution(layer) for layer in range(least, generator.last_layer + 1, 2)]
    if resolution not in sides:
        raise InputError(f"view_resolution must be one of {sides}, got {resolution}")
    return last_layer(resolution)


def make_discriminator(
    name: str,
    generator: Generator,
    view_layer: int,
    features: SqueezeNetFeatures | None,
    width: int,
) -> nn.Module:
    """Builds a discriminator for the picture after a layer.

    Args:
        name: ``"stylegan2"``, as wide as the generator, or ``"projected"``.
        generator: The generator that it is trained against.
        view_layer: The layer.
        features: Feature network of the projected one.
        width: Channels of its heads.

    Raises:
        InputError: If the name is unknown or the features are missing.
    """
    side = layer_resolution(view_layer)
    if name == "stylegan2":
        channels: Mapping[int, int] = {r: c for r, c in generator.channels.items() if r <= side}
        return StyleGAN2Discriminator(channels)
    if name != "projected":
        raise InputError(f"discriminator must be stylegan2 or projected, got {name}")
    if features is None:
        raise InputError("discriminator=projected needs feature_weights, got none")
    return ProjectedDiscriminator(features, width=width, resolution=side)


def trained_groups(
    generator: Generator,
    encoder: FeatureStyleEncoder | None,
    train_top: bool,
    rates: tuple[float, float, float],
) -> list[dict]:
    """Freezes and unfreezes parameters, and groups the trained ones by learning rate.

    Args:
        generator: The generator; all layers are trained, or those up to D^10.
        encoder: The encoder; only the heads of its style branch are trained.
        train_top: Whether the layers after D^10 and the to-RGB layers are trained.
        rates: Learning rates of the convolutions, the mapping network and the style branch.

    Returns:
        Parameter groups for an optimiser.
    """
    rate, mapping_rate, encoder_rate = rates
    generator.requires_grad_(train_top)
    modules = [m for layer, m in generator.convs.items() if int(layer) <= FEATURE_LAYER]
    for module in (generator.mapping, *modules):
        module.requires_grad_(True)
    generator.constant.requires_grad_(True)
    mapping = list(generator.mapping.parameters())
    rest = [
        parameter
        for name, parameter in generator.named_parameters()
        if parameter.requires_grad and not name.startswith("mapping.")
    ]
    groups: list[dict] = [
        {"params": rest, "lr": rate},
        {"params": mapping, "lr": mapping_rate},
    ]
    if encoder is not None:
        encoder.requires_grad_(False)
        # The blocks stay frozen, because D^10 and the input of mask ensembles depend on them.
        encoder.styles.requires_grad_(True)
        styles = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
        groups.append({"params": styles, "lr": encoder_rate, "betas": (0.9, 0.99)})
    return groups


def unfreeze_top(generator: Generator) -> list[nn.Parameter]:
    """Unfreezes the layers after D^10 and their to-RGB layers; returns their parameters."""
    modules = [module for layer, module in generator.convs.items() if int(layer) > FEATURE_LAYER]
    modules += [m for layer, m in generator.to_rgbs.items() if int(layer) >= FEATURE_LAYER]
    parameters = [
        parameter
        for module in modules
        for name, parameter in module.named_parameters()
        # A decoder gets all details from D^10 and needs no noise.
        if name != "noise_strength"
    ]
    for parameter in parameters:
        parameter.requires_grad_(True)
    return parameters
