"""Edge-preserving filtering guided by a colour picture (He, Sun and Tang 2010; 2015)."""

import torch
import torch.nn.functional as F
from torch import Tensor

WORKING_SIDE = 512
"""Longer side at which the filter's coefficients are computed."""


def guided_filter(
    values: Tensor,
    guide: Tensor,
    *,
    radius: float,
    epsilon: float,
    working_side: int = WORKING_SIDE,
) -> Tensor:
    """Resizes a map to a picture's size so that its edges fall on the picture's.

    In every window the result is an affine function of the picture's colours. The coefficients
    are computed at a moderate size and applied at full size (the "fast" guided filter), so a large
    photo costs little.

    Args:
        values: The map to filter, ``[1, 1, h, w]``, of any size.
        guide: The picture, ``[1, 3, H, W]`` in [0, 1].
        radius: Half the window's side, as a share of the longer side.
        epsilon: Variance below which the picture counts as flat and the map is averaged.
        working_side: Longer side at which the coefficients are computed.

    Returns:
        ``[1, 1, H, W]``, about the range of ``values``.
    """
    size = guide.shape[2:]
    scale = min(1.0, working_side / max(size))
    small_size = [max(1, round(side * scale)) for side in size]
    small = F.interpolate(guide, small_size, mode="area") if scale < 1.0 else guide
    values = F.interpolate(values.to(small), small_size, mode="bilinear", antialias=True)
    window = max(1, round(radius * max(small_size)))
    slope, offset = _coefficients(values, small, window, epsilon)
    slope, offset = (
        F.interpolate(box_mean(part, window), size, mode="bilinear") for part in (slope, offset)
    )
    return (slope * guide).sum(dim=1, keepdim=True).add_(offset)


def box_mean(values: Tensor, radius: int) -> Tensor:
    """Mean over the part of a square window that lies inside the map, ``[B, C, H, W]``."""
    side = 2 * radius + 1
    for kernel, padding in (((side, 1), (radius, 0)), ((1, side), (0, radius))):
        values = F.avg_pool2d(values, kernel, 1, padding, count_include_pad=False)
    return values


def _coefficients(
    values: Tensor, guide: Tensor, radius: int, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Least-squares affine fit of the values by the colours, window by window."""
    mean_guide, mean_values = box_mean(guide, radius), box_mean(values, radius)
    covariance = box_mean(guide * values, radius) - mean_guide * mean_values  # [1, 3, H, W]
    rows = []
    for channel in range(3):
        products = box_mean(guide * guide[:, channel : channel + 1], radius)
        rows.append(products - mean_guide * mean_guide[:, channel : channel + 1])
    variance = torch.stack(rows, dim=1).permute(0, 3, 4, 1, 2)  # [1, H, W, 3, 3]
    first, second, third = (variance + epsilon * torch.eye(3).to(variance)).unbind(dim=-1)
    # The inverse of a symmetric 3x3 matrix by its cofactors; a batched solver is slower.
    cofactors = torch.stack(
        [
            torch.linalg.cross(second, third),
            torch.linalg.cross(third, first),
            torch.linalg.cross(first, second),
        ],
        dim=-2,
    )
    determinant = (first * cofactors[..., 0, :]).sum(dim=-1)
    right = covariance.permute(0, 2, 3, 1).unsqueeze(-1)
    slope = (cofactors @ right).squeeze(-1) / determinant.unsqueeze(-1)
    slope = slope.permute(0, 3, 1, 2)
    return slope, mean_values - (slope * mean_guide).sum(dim=1, keepdim=True)
