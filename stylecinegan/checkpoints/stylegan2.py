"""Import of StyleGAN2 generators from the files of several projects, recognised by their keys."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylecinegan.checkpoints.nvidia import PersistentNetwork, TensorFlowNetwork
from stylecinegan.checkpoints.own_files import build, is_own_file, load
from stylecinegan.checkpoints.restricted_pickles import DAMAGED
from stylecinegan.checkpoints.torch_files import check_file, check_tensors, read_pickle
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.layers import RESAMPLING_FILTER
from stylecinegan.generator.stylegan2 import last_layer, layer_resolution

NVIDIA_NETWORKS = (PersistentNetwork, TensorFlowNetwork)


def load_generator(path: str | Path, mean: Tensor | None = None) -> Generator:
    """Loads a StyleGAN2 generator: ours, rosinality's, NVIDIA's, or the decoder of pSp and e4e.

    Format, resolution and widths are inferred from names and shapes.

    Args:
        path: The file.
        mean: Mean latent code, ``[style_dim]``, for files that hold none; by default it is
            estimated from samples.

    Returns:
        The generator in evaluation mode, float32, on the CPU.

    Raises:
        InputError: If the file is missing or damaged or holds no such generator.
    """
    path = Path(path)
    check_file(path)
    if is_own_file(path):
        return load(path, Generator)
    found = find_generator(read_pickle(path), path)
    if found is None:
        raise InputError(f"{path} must hold a StyleGAN2 generator under 'g_ema', found none")
    _, state = found
    return build_generator(state, path, mean)


def find_generator(content: Any, path: Path) -> tuple[str, dict[str, Tensor]] | None:
    """Finds a generator in the content of a foreign file.

    Returns:
        Name of the format and the tensors under our names, or ``None``.
    """
    if isinstance(content, tuple) and content and isinstance(content[-1], TensorFlowNetwork):
        return "StyleGAN2-ADA of TensorFlow", _from_nvidia(content[-1], path)
    if not isinstance(content, Mapping):
        return None
    if isinstance(content.get("G_ema"), NVIDIA_NETWORKS):
        return "StyleGAN2 of stylegan2-ada-pytorch or stylegan3", _from_nvidia(
            content["G_ema"], path
        )
    name, state = "rosinality StyleGAN2", content.get("g_ema", content)
    if isinstance(content.get("state_dict"), Mapping):
        name, state = "decoder of pSp or e4e", _decoder(content["state_dict"])
    if not isinstance(state, Mapping) or "to_rgb1.bias" not in state:
        return None
    return name, _from_rosinality(state, content.get("latent_avg"), path)


def read_mean(path: str | Path) -> Tensor:
    """Reads a mean latent code from a file of the bare tensor or of a generator.

    Returns:
        ``[style_dim]``.

    Raises:
        InputError: If the file holds no mean, or one that differs from layer to layer.
    """
    path = Path(path)
    check_file(path)
    if is_own_file(path):
        return load(path, Generator).w_mean
    content = read_pickle(path)
    if isinstance(content, Mapping):
        found = find_generator(content, path)
        if found is None or "w_mean" not in found[1]:
            raise InputError(f"wanted a mean latent code in {path}, found none")
        return found[1]["w_mean"]
    return _one_mean(content, path)


def _one_mean(value: Any, path: Path) -> Tensor:
    """Reduces ``[512]``, ``[1, 512]``, ``[18, 512]`` or ``[1, 18, 512]`` to ``[512]``."""
    check_tensors({"the mean latent code": value}, path)
    if value.ndim == 0 or value.numel() == 0:
        raise InputError(f"{path}: a mean latent code must be [512] or [18, 512], got a number")
    rows = value.detach().float().reshape(-1, value.shape[-1])
    if not rows.isfinite().all():
        raise InputError(f"{path}: the mean latent code holds values that are not finite")
    if not torch.allclose(rows, rows[:1].expand_as(rows), atol=1e-5):
        raise InputError(f"{path}: the mean latent code must be the same for all layers")
    return rows[0]


def build_generator(state: dict[str, Tensor], path: Path, mean: Tensor | None) -> Generator:
    """Builds a generator from tensors under our names; widths are inferred from their shapes.

    Args:
        state: The tensors; ``w_mean`` is added if missing.
        path: The file, for messages.
        mean: Mean latent code, ``[style_dim]``, for files without one; by default estimated.

    Raises:
        InputError: If a tensor is missing or misshapen.
    """
    check_tensors(state, path)
    num_blocks = sum(re.fullmatch(r"to_rgbs\.\d+\.bias", name) is not None for name in state)
    resolution = 2 ** (num_blocks + 1)
    num_mapping_layers = sum(
        re.fullmatch(r"mapping\.layers\.\d+\.weight", name) is not None for name in state
    )
    mean = state.get("w_mean", mean)
    try:
        channels = {
            layer_resolution(layer): state[f"convs.{layer}.conv.weight"].shape[0]
            for layer in range(2, last_layer(resolution) + 1, 2)
        }
        style_dim = state["convs.2.conv.modulation.weight"].shape[1]
    except KeyError as error:
        raise InputError(f"{path} lacks the tensor {error.args[0]}") from error
    except IndexError as error:
        raise InputError(f"{path}: a kernel must have four sides, found fewer") from error
    state["w_mean"] = torch.zeros(style_dim) if mean is None else mean
    generator = build(
        lambda: Generator(resolution, style_dim, num_mapping_layers, channels=channels),
        state,
        path,
    )
    if mean is None:
        generator.estimate_w_mean()
    return generator


def _decoder(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    prefix = "decoder."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if isinstance(name, str) and name.startswith(prefix)
    }


def _renamed(
    state: Mapping[str, Tensor], rename: Callable[[str], str], path: Path
) -> dict[str, Tensor]:
    """Renames tensors to our names; fixed resampling filters are checked and dropped."""
    check_tensors(state, path)
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith((".kernel", ".resample_filter")):
            _check_filter(name, tensor, path)
            continue
        renamed[rename(name)] = tensor
    return renamed


def _check_filter(name: str, tensor: Tensor, path: Path) -> None:
    taps = torch.tensor(RESAMPLING_FILTER)
    wanted = taps[:, None] * taps / taps.sum() ** 2
    is_same = tensor.shape == wanted.shape and torch.allclose(
        tensor.float() / tensor.float().sum(), wanted, atol=1e-4
    )
    if not is_same:
        raise InputError(f"{path}: {name} must be the resampling filter [1, 3, 3, 1]")


def _from_rosinality(
    state: Mapping[str, Tensor], latent_mean: Any, path: Path
) -> dict[str, Tensor]:
    renamed = _renamed(state, _rosinality_name, path)
    for name, tensor in renamed.items():
        if name.endswith("conv.weight") and tensor.ndim == 5:
            renamed[name] = tensor[0]
    if latent_mean is not None:
        renamed["w_mean"] = _one_mean(latent_mean, path)
    return renamed


_ROSINALITY_TENSORS = {"noise.weight": "noise_strength", "activate.bias": "bias"}


def _rosinality_name(name: str) -> str:
    if name == "input.input":
        return "constant"
    if match := re.fullmatch(r"style\.(\d{1,3})\.(weight|bias)", name):
        return f"mapping.layers.{int(match[1]) - 1}.{match[2]}"
    if match := re.fullmatch(r"noises\.noise_(\d{1,3})", name):
        return f"convs.{int(match[1]) + 2}.noise"
    if match := re.fullmatch(r"(conv1|convs\.(\d{1,3}))\.(.+)", name):
        layer = 2 if match[2] is None else int(match[2]) + 3
        return f"convs.{layer}.{_ROSINALITY_TENSORS.get(match[3], match[3])}"
    if match := re.fullmatch(r"(to_rgb1|to_rgbs\.(\d{1,3}))\.(.+)", name):
        layer = 2 if match[2] is None else 2 * int(match[2]) + 4
        return f"to_rgbs.{layer}.{match[3]}"
    return name


def _from_nvidia(network: PersistentNetwork | TensorFlowNetwork, path: Path) -> dict[str, Tensor]:
    try:
        state = network.tensors()
    except DAMAGED as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: its network is damaged: {reason}") from error
    if "synthesis.b4.const" not in state:
        raise InputError(
            f"{path} must hold a StyleGAN2 generator, found a {network.class_name} without "
            "synthesis.b4.const (alias-free generators of StyleGAN3 have other layers)"
        )
    renamed = _renamed(state, _nvidia_name, path)
    for name, tensor in renamed.items():
        if name == "constant":
            renamed[name] = tensor[None]
        elif name.endswith(".noise"):
            renamed[name] = tensor[None, None]
        elif name.endswith(".noise_strength"):
            renamed[name] = tensor.reshape(-1)
        elif re.fullmatch(r"to_rgbs\.\d+\.bias", name):
            renamed[name] = tensor.reshape(1, -1, 1, 1)
    return renamed


_NVIDIA_TENSORS = {
    "weight": "conv.weight",
    "affine.weight": "conv.modulation.weight",
    "affine.bias": "conv.modulation.bias",
    "noise_const": "noise",
}


def _nvidia_name(name: str) -> str:
    fixed = {"mapping.w_avg": "w_mean", "synthesis.b4.const": "constant"}
    if name in fixed:
        return fixed[name]
    if match := re.fullmatch(r"mapping\.fc(\d{1,3})\.(weight|bias)", name):
        return f"mapping.layers.{match[1]}.{match[2]}"
    if match := re.fullmatch(r"synthesis\.b(\d{1,4})\.(conv0|conv1|torgb)\.(.+)", name):
        # Two layers per resolution; the to-RGB layer has the number of the second, which it reads.
        second = 2 * (int(match[1]).bit_length() - 1) - 2
        kind = "to_rgbs" if match[2] == "torgb" else "convs"
        layer = second - 1 if match[2] == "conv0" else second
        return f"{kind}.{layer}.{_NVIDIA_TENSORS.get(match[3], match[3])}"
    return name
