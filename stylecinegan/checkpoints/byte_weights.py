"""8-bit quantisation of weights, for files half the size of half precision."""

from collections.abc import Mapping

import torch
from torch import Tensor

from stylecinegan.errors import InputError

_STEPS = ".steps"
_LEVELS = 127


def to_bytes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Quantises the tensors of a module for a file.

    Args:
        state: Tensors by name.

    Returns:
        Matrices and kernels as int8 ``[C, …]`` with one step size per output channel in half
        precision, ``NAME.steps``, ``[C]``: ``W ≈ step · int8``. Vectors in half precision unless
        they overflow; other tensors unchanged.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            stored[name] = tensor
        elif tensor.ndim < 2:
            half = tensor.half()
            stored[name] = half if half.isfinite().all() else tensor
        else:
            values = tensor.detach().float()
            # Rounded to half precision first, as in the file; at least its smallest number.
            steps = (values.flatten(1).abs().amax(dim=1) / _LEVELS).half().clamp(min=2.0**-24)
            levels = (values / _per_channel(steps, values)).round().clamp(-_LEVELS, _LEVELS)
            stored[name] = levels.to(torch.int8)
            stored[name + _STEPS] = steps
    return stored


def from_bytes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restores the tensors of :func:`to_bytes`, in float32; other tensors are unchanged.

    Raises:
        InputError: If an int8 matrix lacks its step sizes.
    """
    restored = dict(state)
    for name, levels in state.items():
        if levels.dtype != torch.int8:
            continue
        steps = restored.pop(name + _STEPS, None)
        if steps is None or not steps.is_floating_point() or steps.shape != levels.shape[:1]:
            raise InputError(f"{name} is in bytes and lacks a step for each of its channels")
        restored[name] = levels.float() * _per_channel(steps, levels)
    return restored


def _per_channel(steps: Tensor, matrix: Tensor) -> Tensor:
    """Reshapes step sizes ``[C]`` so that they broadcast over ``[C, …]``."""
    return steps.float().view(-1, *(1 for _ in matrix.shape[1:]))
