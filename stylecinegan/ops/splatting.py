from typing import Literal

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.ops import extension, reference

Backend = Literal["auto", "native", "reference"]


def splat(feature: Tensor, displacement: Tensor, *, backend: Backend = "auto") -> Tensor:
    """Pushes every pixel along its displacement and adds up what lands on each target.

    A pixel at ``p`` leaves ``feature[p]`` on the four pixels around ``p + displacement[p]`` with
    bilinear weights. What lands outside, or has a displacement that is not finite, is dropped;
    pixels that nothing reaches stay zero. Both sums of joint splatting (Eq. 3) are calls of this
    function.

    Args:
        feature: Values to push, ``[B, C, H, W]``, floating point. Half precision is computed in
            float32 and rounded at the end.
        displacement: Target minus source, ``[B, 2, H, W]``, (x, y) in pixels of this very map.
        backend: ``"native"`` (compiled, CPU or CUDA), ``"reference"`` (plain PyTorch), or
            ``"auto"``: native where it compiles. All give the same result.

    Returns:
        The sums, ``[B, C, H, W]``, in the feature's type, differentiable in both inputs.

    Raises:
        InputError: If the shapes, devices or types do not match.
        ExtensionError: If ``backend="native"`` and the operators cannot be compiled.
    """
    check_feature(feature)
    batch, _, height, width = feature.shape
    check_like(feature, displacement, "displacement", (batch, 2, height, width))
    kind = computation_type(feature, displacement)
    inputs = feature.to(kind), displacement.to(kind)
    if runs_native(feature.device, backend):
        return torch.ops.stylecinegan.splat(*inputs).to(feature.dtype)
    return reference.splat(*inputs).to(feature.dtype)


def runs_native(device: torch.device, backend: Backend) -> bool:
    """Decides between the compiled operators, which this loads, and the reference.

    Where PyTorch is asked for deterministic algorithms, CUDA takes the reference whatever the
    backend: compiled kernels add by atomics, while ``scatter_add`` then sorts what it adds.

    Args:
        device: Where the tensors are.
        backend: As in :func:`splat`.

    Raises:
        InputError: If there is no such backend.
        ExtensionError: If ``backend="native"`` and the operators cannot be compiled.
    """
    if backend not in ("auto", "native", "reference"):
        raise InputError(f"backend must be 'auto', 'native' or 'reference', got {backend!r}")
    if backend == "reference":
        return False
    if device.type == "cuda" and torch.are_deterministic_algorithms_enabled():
        return False
    if backend == "native":
        extension.load(device.type)
        return True
    return extension.is_available(device.type)


def computation_type(*tensors: Tensor) -> torch.dtype:
    """Returns the widest type of the tensors, at least float32."""
    kind = torch.float32
    for tensor in tensors:
        kind = torch.promote_types(kind, tensor.dtype)
    return kind


def check_feature(feature: Tensor) -> None:
    """Checks that a tensor is a floating-point map.

    Args:
        feature: What should be ``[B, C, H, W]``.

    Raises:
        InputError: If it is not.
    """
    if feature.dim() != 4 or not feature.is_floating_point():
        raise InputError(
            "feature must be floating point of shape (B, C, H, W), "
            f"got {feature.dtype} of shape {tuple(feature.shape)}"
        )


def check_like(feature: Tensor, tensor: Tensor, name: str, shape: tuple[int, ...]) -> None:
    """Checks that a tensor has a shape and fits a feature.

    Args:
        feature: The map that the tensor belongs to, ``[B, C, H, W]``.
        tensor: What is checked.
        name: What an error calls it.
        shape: The shape it must have.

    Raises:
        InputError: If it has another shape, is not floating point, or on another device.
    """
    if tuple(tensor.shape) != tuple(shape):
        raise InputError(
            f"{name} must be {tuple(shape)} to match feature {tuple(feature.shape)}, "
            f"got {tuple(tensor.shape)}"
        )
    if not tensor.is_floating_point():
        raise InputError(f"{name} must be floating point, got {tensor.dtype}")
    if tensor.device != feature.device:
        raise InputError(f"{name} must be on {feature.device} like feature, got {tensor.device}")
