"""Weights on disk: ours as safetensors that rebuild their module, foreign ones strict and safe."""

import json
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import last_layer, layer_resolution

CHECKPOINTS_DIR = Path(__file__).resolve().parents[1] / "checkpoints"
"""The folder of the default model in a checkout."""

Module = TypeVar("Module", bound=nn.Module)


def save(path: str | Path, module: nn.Module, *, notes: Mapping[str, str] | None = None) -> None:
    """Writes the weights and the constructor's arguments of a module as safetensors.

    Matrices and kernels are stored in half precision, vectors and statistics as they are. The
    file appears under its name only when it is complete.

    Args:
        path: Target, ``….safetensors``.
        module: A module whose ``arguments`` rebuild it.
        notes: Further metadata, e.g. the training step.
    """
    path = Path(path)
    state = {
        name: (tensor.half() if tensor.is_floating_point() and tensor.ndim >= 2 else tensor)
        .detach()
        .cpu()
        .contiguous()
        for name, tensor in module.state_dict().items()
    }
    metadata = {
        "class": type(module).__name__,
        "arguments": json.dumps(module.arguments),
        **(notes or {}),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(state, temporary, metadata=metadata)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | Path, expected: type[Module]) -> Module:
    """Rebuilds a module from a file that :func:`save` wrote.

    Args:
        path: ``….safetensors``.
        expected: The class the file must hold.

    Returns:
        The module with its weights, float32, on the CPU, in evaluation mode.

    Raises:
        InputError: If the file is missing or damaged or holds something else.
    """
    path = Path(path)
    _check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}") from error
    if metadata.get("class") != expected.__name__:
        raise InputError(
            f"{path} must hold a {expected.__name__}, "
            f"found {metadata.get('class', 'no class name')}"
        )
    module = expected(**json.loads(metadata["arguments"]))
    load_strictly(module, state, path)
    return module.eval()


def load_generator(path: str | Path) -> Generator:
    """Loads a StyleGAN2 generator, ours (``.safetensors``) or rosinality's (``.pt``, ``g_ema``).

    Resolution and widths of a foreign file are read off its tensors.

    Args:
        path: The file.

    Returns:
        The generator in evaluation mode, float32, on the CPU.

    Raises:
        InputError: If the file is missing or damaged or holds no such generator.
    """
    if Path(path).suffix == ".safetensors":
        return load(path, Generator)
    content = read_pickle(path)
    state = content.get("g_ema", content) if isinstance(content, dict) else content
    if not isinstance(state, Mapping) or "to_rgb1.bias" not in state:
        raise InputError(f"{path} must hold a StyleGAN2 generator under 'g_ema', found none")
    latent_mean = content.get("latent_avg") if isinstance(content, dict) else None
    return _from_rosinality(state, latent_mean, Path(path))


def read_pickle(path: str | Path) -> object:
    """Reads a ``torch.save`` file without executing anything of what it brings.

    Raises:
        InputError: If the file is missing, is no such file or names code to run.
    """
    path = Path(path)
    _check_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a checkpoint that can be read safely: {reason}") from error


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Copies a state into a module; every name and shape must fit and every value be finite.

    Raises:
        InputError: Naming the first missing, unexpected, misshapen or non-finite tensor.
    """
    wanted = module.state_dict()
    for name in wanted:
        if name not in state:
            raise InputError(f"{source} lacks the tensor {name} {list(wanted[name].shape)}")
    for name, tensor in state.items():
        if name not in wanted:
            raise InputError(f"{source} holds the unexpected tensor {name} {list(tensor.shape)}")
        if tensor.shape != wanted[name].shape:
            raise InputError(
                f"{source}: {name} must be {list(wanted[name].shape)}, got {list(tensor.shape)}"
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{source}: {name} holds values that are not finite")
    module.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})


def _check_file(path: Path) -> None:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"checkpoint expected at {path}, found {found}")


def _from_rosinality(
    state: Mapping[str, Tensor], latent_mean: Tensor | None, path: Path
) -> Generator:
    num_blocks = len({m[1] for k in state if (m := re.match(r"to_rgbs\.(\d+)\.", k))})
    resolution = 2 ** (num_blocks + 2)
    final = last_layer(resolution)
    renamed = dict(_rosinality_names(final))
    try:
        channels = {
            layer_resolution(layer): state[_rosinality_layer(layer) + ".conv.weight"].shape[1]
            for layer in range(2, final + 1, 2)
        }
        generator = Generator(
            resolution=resolution,
            style_dim=state["style.1.weight"].shape[0],
            num_mapping_layers=len({k for k in state if re.match(r"style\.\d+\.weight", k)}),
            channels=channels,
        )
    except KeyError as error:
        raise InputError(f"{path} lacks the tensor {error.args[0]}") from error
    converted = {"w_mean": torch.zeros(generator.style_dim)}
    for name, tensor in state.items():
        if name.endswith(".kernel"):  # the fixed resampling filter
            continue
        target = _rename(name, renamed)
        is_kernel = target.endswith("conv.weight")
        converted[target] = tensor[0] if is_kernel and tensor.ndim == 5 else tensor
    load_strictly(generator, converted, path)
    if latent_mean is not None:
        generator.w_mean.copy_(latent_mean.reshape(-1, generator.style_dim)[0])
    else:
        generator.estimate_w_mean()
    return generator.eval()


def _rosinality_layer(layer: int) -> str:
    return "conv1" if layer == 2 else f"convs.{layer - 3}"


def _rosinality_names(final: int) -> list[tuple[str, str]]:
    """Prefixes of the foreign file and ours, by layer."""
    names = []
    for layer in range(2, final + 1):
        names.append((_rosinality_layer(layer) + ".", f"convs.{layer}."))
        names.append((f"noises.noise_{layer - 2}", f"convs.{layer}.noise"))
        if layer % 2 == 0:
            foreign = "to_rgb1." if layer == 2 else f"to_rgbs.{layer // 2 - 2}."
            names.append((foreign, f"to_rgbs.{layer}."))
    return names


def _rename(name: str, prefixes: Mapping[str, str]) -> str:
    if name == "input.input":
        return "constant"
    if match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
        return f"mapping.layers.{int(match[1]) - 1}.{match[2]}"
    for foreign, ours in prefixes.items():
        exact = not foreign.endswith(".")
        if name == foreign or (not exact and name.startswith(foreign)):
            rest = name[len(foreign) :]
            return ours + {"noise.weight": "noise_strength", "activate.bias": "bias"}.get(
                rest, rest
            )
    return name
