"""From a motion field to displacements: Euler integration (Eq. 1) and resizing of vector fields."""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Sampling = Literal["bilinear", "nearest"]

_SEGMENTS = 16


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Coordinates (x, y) of every pixel, ``[1, 2, height, width]``, on the device of ``like``."""
    rows = torch.arange(height, dtype=like.dtype, device=like.device)
    columns = torch.arange(width, dtype=like.dtype, device=like.device)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).unsqueeze(0)


def euler_step(displacement: Tensor, motion: Tensor, *, sampling: Sampling = "bilinear") -> Tensor:
    """Moves every particle on by one frame: F(0→t+1) = F(0→t) + M(p + F(0→t)) (Eq. 1).

    Args:
        displacement: F(0→t), ``[B, 2, H, W]``, (x, y) in pixels of this map.
        motion: M, ``[B, 2, H, W]``, pixels per frame of this map; beyond the border it goes on as
            at the border.
        sampling: How M is read between pixels. The released code rounds (``"nearest"``).

    Returns:
        F(0→t+1), ``[B, 2, H, W]``.
    """
    height, width = motion.shape[2:]
    position = pixel_grid(height, width, motion) + displacement
    # grid_sample wants [-1, 1] from the centre of the first to the centre of the last pixel.
    extent = position.new_tensor([max(width - 1, 1), max(height - 1, 1)]).view(1, 2, 1, 1)
    grid = (position * (2.0 / extent) - 1.0).permute(0, 2, 3, 1)
    mode = "bilinear" if sampling == "bilinear" else "nearest"
    sampled = F.grid_sample(motion, grid, mode, padding_mode="border", align_corners=True)
    return displacement + sampled


def integrate_motion(
    motion: Tensor,
    num_frames: int,
    *,
    period: int | None = None,
    sampling: Sampling = "bilinear",
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
        sampling: How M is read between pixels.

    Yields:
        Two displacements ``[B, 2, H, W]`` in pixels of this map.
    """
    zero = torch.zeros_like(motion)
    last = zero  # F(N→num_frames - 1)
    for _ in range((period or num_frames) - num_frames + 1):
        last = euler_step(last, -motion, sampling=sampling)
    from_start = zero
    for from_end in _steps_reversed(last, -motion, num_frames, sampling):
        yield from_start, from_end
        from_start = euler_step(from_start, motion, sampling=sampling)


def _steps_reversed(
    first: Tensor, motion: Tensor, count: int, sampling: Sampling
) -> Iterator[Tensor]:
    """Yields the states that 0 … count - 1 steps after ``first`` reach, the last one first."""
    stride = max(1, -(-count // _SEGMENTS))
    kept = []
    state = first
    for step in range(count):
        if step % stride == 0:
            kept.append(state)
        if step + 1 < count:
            state = euler_step(state, motion, sampling=sampling)
    for start in reversed(range(0, count, stride)):
        state = kept.pop()
        if stride == 1:
            yield state
        else:
            yield from _steps_reversed(state, motion, min(stride, count - start), sampling)


def resize_displacement(displacement: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes a vector field and scales its vectors along, at any ratio.

    Args:
        displacement: ``[B, 2, H, W]``, (x, y) in pixels of this map; a motion likewise.
        size: Target (height, width).

    Returns:
        ``[B, 2, height, width]`` in pixels of the new map.
    """
    height, width = displacement.shape[2:]
    if (height, width) == tuple(size):
        return displacement
    scale = displacement.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
    if size[0] * size[1] < height * width:
        # Averages, because picking single vectors would alias.
        return F.interpolate(displacement, size, mode="area") * scale
    return F.interpolate(displacement * scale, size, mode="bilinear", align_corners=False)


def reflect(field: Tensor, border: tuple[int, int]) -> Tensor:
    """Extends a map by reflection, however wide the border is.

    Args:
        field: ``[B, C, H, W]``.
        border: Rows above and below, columns left and right.

    Returns:
        ``[B, C, H + 2 rows, W + 2 columns]``. Vectors keep their direction, so that motion goes on
        beyond the border as it does inside.
    """
    rows = _reflected_indices(field.shape[2], border[0], field.device)
    columns = _reflected_indices(field.shape[3], border[1], field.device)
    return field.index_select(2, rows).index_select(3, columns)


def _reflected_indices(length: int, border: int, device: torch.device) -> Tensor:
    period = max(2 * (length - 1), 1)
    index = torch.arange(-border, length + border, device=device).remainder(period)
    return torch.where(index < length, index, period - index)
