"""Files of latent codes."""

import zipfile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io.paths import PathLike, existing_file, replacing, reporting_write_errors

LATENT_SUFFIXES = (".safetensors", ".npz")

NAMES = ("w_plus", "w")
"""Accepted names of the array; StyleGAN2's projector writes ``w``."""


def write_latent(path: PathLike, w_plus: Tensor) -> None:
    """Writes latent codes, float32; parent folders are created.

    Args:
        path: ``.safetensors`` or ``.npz``.
        w_plus: ``[1, num_styles, style_dim]``.

    Raises:
        InputError: If the file cannot be written.
    """
    codes = w_plus.detach().cpu().float().contiguous()
    with replacing(path, LATENT_SUFFIXES) as temporary, reporting_write_errors(path):
        if temporary.suffix == ".npz":
            np.savez(temporary, w_plus=codes.numpy())
        else:
            save_file({"w_plus": codes}, temporary)


def read_latent(path: PathLike) -> Tensor:
    """Reads latent codes: one per layer, or a single one for all layers.

    Args:
        path: ``.safetensors`` or ``.npz`` with an array ``w_plus`` or ``w``,
            ``[1, num_styles, style_dim]`` or without its leading dimensions.

    Returns:
        ``[1, num_styles, style_dim]``, or ``[1, 1, style_dim]`` for a single code.

    Raises:
        InputError: If the file holds anything else, or a value that is not finite.
    """
    file = existing_file(path, "latent codes (.safetensors or .npz)")
    if file.suffix.lower() not in LATENT_SUFFIXES:
        raise InputError(
            f"cannot read {path}: wanted {' or '.join(LATENT_SUFFIXES)}, found '{file.suffix}'"
        )
    try:
        if file.suffix.lower() == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                found = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        else:
            with safe_open(file, framework="pt") as tensors:
                found = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    except (
        SafetensorError, OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot read {path}: the file is damaged ({reason})") from error
    name = next((name for name in NAMES if name in found), None)
    if name is None:
        raise InputError(f"cannot use {path}: wanted an array w_plus, found {sorted(found)}")
    return _check(path, found[name])


def _check(path: PathLike, codes: Tensor) -> Tensor:
    """Checks codes and adds missing leading dimensions."""
    shape = list(codes.shape)
    while codes.ndim < 3:
        codes = codes.unsqueeze(0)
    if codes.ndim != 3 or codes.shape[0] != 1 or codes.numel() == 0:
        raise InputError(
            f"cannot use {path}: wanted the codes of one picture [1, num_styles, style_dim], "
            f"found {shape}"
        )
    if not codes.is_floating_point() or not bool(codes.isfinite().all()):
        raise InputError(f"cannot use {path}: wanted finite real numbers, found others")
    return codes.float()
