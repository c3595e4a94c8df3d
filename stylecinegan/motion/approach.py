"""Motion towards the viewer, in perspective."""

import torch
from torch import Tensor

from stylecinegan.motion.regions import Regions
from stylecinegan.motion.vectors import lengths
from stylecinegan.warping.displacement import pixel_grid

BEHIND = 1.0
"""Distance of the vanishing point beyond a region's far end, in heights of the picture.

Parallel paths on the ground meet on the horizon; a vanishing point farther away keeps the outer
directions from pointing sideways.
"""


def approaching(regions: Regions, number: int) -> Tensor:
    """Directions towards the viewer, diverging: downwards on water, upwards in a sky.

    Args:
        regions: Regions of the map.
        number: Number of the moving region.

    Returns:
        Unit vectors, ``[1, 2, H, W]``.
    """
    height, width = regions.number.shape
    rows, columns = ((regions.number == number) & regions.moves).nonzero(as_tuple=True)
    is_sky = regions.is_sky(number)
    far = int(rows.max() if is_sky else rows.min())
    edge = columns[(rows - far).abs() <= 0.05 * height]
    behind = far + (BEHIND * height if is_sky else -BEHIND * height)
    like = torch.zeros((), device=regions.number.device)
    place = pixel_grid(height, width, like)
    direction = place - torch.stack([edge.float().mean(), like + behind]).view(1, 2, 1, 1)
    return direction / lengths(direction).clamp(min=1e-6)
