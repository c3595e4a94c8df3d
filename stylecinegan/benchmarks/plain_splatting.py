"""Joint splatting in plain PyTorch, a baseline for the compiled operator."""

import torch
from torch import Tensor


def plain_joint_splat(
    feature: Tensor, from_start: Tensor, from_end: Tensor, progress: float
) -> Tensor:
    """Joint splatting (Eq. 3) with ``index_add_``.

    ``D_t = ((1 - t/N) S(D, F_0→t) + t/N S(D, F_N→t)) / ((1 - t/N) S(1, F_0→t) + t/N S(1, F_N→t))``
    with S(D, F) the splat of D by F.

    Args:
        feature: ``[1, C, H, W]``.
        from_start: F(0→t), ``[1, 2, H, W]``, (x, y) in pixels of this map.
        from_end: F(N→t), likewise.
        progress: t/N.

    Returns:
        ``[1, C, H, W]``, zero where no source arrives.
    """
    values = torch.cat([feature, torch.ones_like(feature[:, :1])], dim=1)
    start, end = (plain_splat(values, field) for field in (from_start, from_end))
    sums = (1.0 - progress) * start + progress * end
    return sums[:, :-1] / sums[:, -1:].clamp(min=1e-12)


def plain_splat(values: Tensor, displacement: Tensor) -> Tensor:
    """Pushes every pixel along its displacement, as :func:`stylecinegan.ops.splatting.splat` does.

    Args:
        values: ``[1, C, H, W]``.
        displacement: ``[1, 2, H, W]``, (x, y) in pixels of this map.

    Returns:
        The sums, ``[1, C, H, W]``.
    """
    _, channels, height, width = values.shape
    rows, columns = torch.meshgrid(
        torch.arange(height, device=values.device),
        torch.arange(width, device=values.device),
        indexing="ij",
    )
    x, y = columns + displacement[0, 0], rows + displacement[0, 1]
    left, top = x.floor(), y.floor()
    pushed = values[0].flatten(1)
    sums = torch.zeros_like(pushed)
    for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
        weight = (1.0 - (x - column).abs()) * (1.0 - (y - row).abs())
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        target = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        sums.index_add_(1, target.long().flatten(), pushed * (weight * inside).flatten())
    return sums.view(1, channels, height, width)
