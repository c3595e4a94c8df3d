"""From a motion field to displacements: Euler integration (Eq. 1) and resizing of vector fields."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.ops.splatting import Backend, runs_native

Sampling = Literal["bilinear", "nearest"]

_SEGMENTS = 16


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Coordinates (x, y) of every pixel, ``[1, 2, height, width]``, on the device of ``like``."""
    rows = torch.arange(height, dtype=like.dtype, device=like.device)
    columns = torch.arange(width, dtype=like.dtype, device=like.device)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).unsqueeze(0)


def euler_step(
    displacement: Tensor,
    motion: Tensor,
    *,
    sampling: Sampling = "bilinear",
    backend: Backend = "auto",
) -> Tensor:
    """Advects every particle by one frame: F(0→t+1) = F(0→t) + M(p + F(0→t)) (Eq. 1).

    Args:
        displacement: F(0→t), ``[B, 2, H, W]``, (x, y) in pixels of this map.
        motion: M, ``[B, 2, H, W]``, pixels per frame of this map; clamped to its border outside.
        sampling: Interpolation of M between pixels. The released code rounds (``"nearest"``).
        backend: As in :func:`stylecinegan.ops.splatting.splat`.

    Returns:
        F(0→t+1), ``[B, 2, H, W]``.
    """
    if _runs_native(backend, displacement, motion):
        return torch.ops.stylecinegan.euler_step(displacement, motion, sampling == "nearest")
    height, width = motion.shape[2:]
    last = motion.new_tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    position = pixel_grid(height, width, motion) + displacement
    position = torch.minimum(position.clamp(min=0.0), last)
    if sampling == "nearest":
        x, y = position.round().long().unbind(1)
        return displacement + _read(motion, y, x)
    corner = position.floor()
    across, down = (position - corner).split(1, dim=1)
    left, top = corner.long().unbind(1)
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    upper = torch.lerp(_read(motion, top, left), _read(motion, top, right), across)
    lower = torch.lerp(_read(motion, bottom, left), _read(motion, bottom, right), across)
    return displacement + torch.lerp(upper, lower, down)


def _runs_native(backend: Backend, *tensors: Tensor) -> bool:
    """Compiled operators support float32 and float64 and have no gradients."""
    kinds = {tensor.dtype for tensor in tensors}
    fits = len(kinds) == 1 and kinds <= {torch.float32, torch.float64}
    needs_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return fits and not needs_gradient and runs_native(tensors[0].device, backend)


def _read(field: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Values ``[B, C, H, W]`` of a field at integer positions ``[B, H, W]``."""
    index = (rows * field.shape[3] + columns).flatten(1).unsqueeze(1)
    return field.flatten(2).gather(2, index.expand(-1, field.shape[1], -1)).view_as(field)


def integrate_motion(
    motion: Tensor,
    num_frames: int,
    *,
    period: int | None = None,
    sampling: Sampling = "bilinear",
    backend: Backend = "auto",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields F(0→t) and F(N→t) for the frames t = 0 … num_frames - 1 of a loop (Sec. 3.4).

    F(N→t) is N - t steps along -M, so over the loop it is needed from its last step to its first.
    A few states are kept and the steps between them computed again: memory grows with the
    logarithm of N, and all frames together cost about 3 N steps, not N²/2.

    Args:
        motion: M, ``[B, 2, H, W]``, pixels per frame of this map.
        num_frames: Frames to yield.
        period: N, by default ``num_frames``; the released code takes ``num_frames - 1`` and so
            shows one frame twice.
        sampling: Interpolation of M between pixels.
        backend: As in :func:`stylecinegan.ops.splatting.splat`.

    Yields:
        Two displacements ``[B, 2, H, W]`` in pixels of this map.
    """
    step = partial(euler_step, sampling=sampling, backend=backend)
    zero, backwards = torch.zeros_like(motion), -motion
    last = zero  # F(N→num_frames - 1)
    for _ in range((period or num_frames) - num_frames + 1):
        last = step(last, backwards)
    from_start = zero
    states = _steps_reversed(last, lambda state: step(state, backwards), num_frames)
    for frame, from_end in enumerate(states):
        yield from_start, from_end
        if frame + 1 < num_frames:
            from_start = step(from_start, motion)


def _steps_reversed(
    first: Tensor, step: Callable[[Tensor], Tensor], count: int
) -> Iterator[Tensor]:
    """Yields the states 0 … count - 1 steps after ``first`` in reverse order."""
    stride = max(1, -(-count // _SEGMENTS))
    kept = []
    state = first
    for number in range(count):
        if number % stride == 0:
            kept.append(state)
        if number + 1 < count:
            state = step(state)
    for start in reversed(range(0, count, stride)):
        state = kept.pop()
        if stride == 1:
            yield state
        else:
            yield from _steps_reversed(state, step, min(stride, count - start))


def resize_displacement(
    displacement: Tensor, size: tuple[int, int], *, backend: Backend = "auto"
) -> Tensor:
    """Resizes a vector field and scales its vectors along, at any ratio.

    Args:
        displacement: ``[B, 2, H, W]``, (x, y) in pixels of this map; a motion likewise.
        size: Target (height, width).
        backend: As in :func:`stylecinegan.ops.splatting.splat`.

    Returns:
        ``[B, 2, height, width]`` in pixels of the new map.
    """
    height, width = displacement.shape[2:]
    if (height, width) == tuple(size):
        return displacement
    if _runs_native(backend, displacement):
        return torch.ops.stylecinegan.resize_displacement(displacement, *size)
    scale = displacement.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
    if size[0] * size[1] < height * width:
        # Averages, because picking single vectors would alias.
        return F.interpolate(displacement, size, mode="area") * scale
    return F.interpolate(displacement * scale, size, mode="bilinear", align_corners=False)


def reflect(field: Tensor, border: tuple[int, int]) -> Tensor:
    """Pads a map by reflection, with borders of any width.

    Args:
        field: ``[B, C, H, W]``.
        border: Rows above and below, columns left and right.

    Returns:
        ``[B, C, H + 2 rows, W + 2 columns]``. Vectors keep their direction, so that the motion
        continues across the border.
    """
    rows = _reflected_indices(field.shape[2], border[0], field.device)
    columns = _reflected_indices(field.shape[3], border[1], field.device)
    return field.index_select(2, rows).index_select(3, columns)


def _reflected_indices(length: int, border: int, device: torch.device) -> Tensor:
    period = max(2 * (length - 1), 1)
    index = torch.arange(-border, length + border, device=device).remainder(period)
    return torch.where(index < length, index, period - index)
