"""D*: the deep features of all layers, resized to one size and stacked (Sec. 3.2)."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_hypercolumns(features: Mapping[int, Tensor], points: Tensor) -> Tensor:
    """Samples D* bilinearly at points.

    At pixel centres this equals resizing all layers to the picture's size and stacking them, but
    without the memory of the stack (6 GB for 1472 channels at 1024x1024).

    Args:
        features: Deep features by layer, ``[B, C, h, w]``.
        points: ``[B, P, 2]``, (x, y) in [-1, 1], -1 and 1 being the outer edges of the picture.

    Returns:
        ``[B, P, channels]``, layers in ascending order, float32.
    """
    parts = [read_points(features[layer], points) for layer in sorted(features)]
    return torch.cat(parts, dim=2)


def read_points(feature: Tensor, points: Tensor) -> Tensor:
    """Samples one feature map (arguments as of :func:`sample_hypercolumns`), ``[B, P, C]``."""
    grid = points.unsqueeze(2).to(feature.device, torch.float32)  # [B, P, 1, 2]
    read = F.grid_sample(
        feature.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return read.squeeze(3).transpose(1, 2)


def pixel_centres(height: int, width: int, first: int = 0, last: int | None = None) -> Tensor:
    """Centres of the pixels of the rows ``first`` to ``last`` of a picture.

    Returns:
        ``[rows * width, 2]``, (x, y) in [-1, 1].
    """
    rows = torch.arange(first, height if last is None else last)
    y = (rows + 0.5) * (2.0 / height) - 1.0
    x = (torch.arange(width) + 0.5) * (2.0 / width) - 1.0
    return torch.stack(
        [x.expand(len(y), width), y.unsqueeze(1).expand(len(y), width)], dim=2
    ).flatten(0, 1)
