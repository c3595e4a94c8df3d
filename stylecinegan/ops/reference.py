"""The specification of forward splatting in plain PyTorch: any device, no compiler, autograd."""

import torch
from torch import Tensor


def splat(feature: Tensor, displacement: Tensor) -> Tensor:
    """Implements :func:`stylecinegan.ops.splatting.splat` with one ``scatter_add`` per corner.

    Args:
        feature: Values to push, ``[B, C, H, W]``.
        displacement: Target minus source, ``[B, 2, H, W]``, (x, y) in pixels.

    Returns:
        The sums, ``[B, C, H, W]``.
    """
    batch, channels, height, width = feature.shape
    columns = torch.arange(width, device=feature.device, dtype=displacement.dtype)
    rows = torch.arange(height, device=feature.device, dtype=displacement.dtype)
    x = columns + displacement[:, 0]  # [B, H, W]
    y = rows[:, None] + displacement[:, 1]
    # Also false for NaN; afterwards every position is finite and converts to an integer.
    lands = (x > -1) & (x < width) & (y > -1) & (y < height)
    x, y = torch.where(lands, x, 0), torch.where(lands, y, 0)
    left, top = x.detach().floor(), y.detach().floor()
    across, down = x - left, y - top
    sums = feature.new_zeros(batch, channels, height * width)
    for right in (0, 1):
        for lower in (0, 1):
            column, row = left.long() + right, top.long() + lower
            inside = lands & (column >= 0) & (column < width) & (row >= 0) & (row < height)
            weight = (across if right else 1 - across) * (down if lower else 1 - down)
            pushed = torch.where(inside[:, None], feature * weight[:, None], 0)
            target = torch.where(inside, row * width + column, 0)
            target = target.flatten(1)[:, None].expand(-1, channels, -1)
            sums = sums.scatter_add(2, target, pushed.flatten(2))
    return sums.view(batch, channels, height, width)
