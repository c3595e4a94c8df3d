"""Which way leads towards the viewer: from the horizon, in perspective."""

import torch
from torch import Tensor

from stylecinegan.motion.regions import Regions
from stylecinegan.motion.vectors import lengths
from stylecinegan.warping.displacement import pixel_grid

BEHIND = 1.0
"""Distance of the vanishing point beyond a region's far end, in heights of the picture.

Ways that are parallel on the ground meet on the horizon; a horizon that far off keeps the outer
ones from leading to the sides.
"""


def approaching(regions: Regions, number: int) -> Tensor:
    """Directions that lead towards the viewer: down on water, up in a sky, fanning out.

    Args:
        regions: Of the map.
        number: Of the region that moves.

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
    way = place - torch.stack([edge.float().mean(), like + behind]).view(1, 2, 1, 1)
    return way / lengths(way).clamp(min=1e-6)
