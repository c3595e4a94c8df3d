"""Motion towards the viewer, in perspective."""

import torch
from torch import Tensor

from stylecinegan.motion.regions import Regions
from stylecinegan.motion.vectors import lengths
from stylecinegan.warping.displacement import pixel_grid

VANISHING_DISTANCE = 1.0
"""Distance of the vanishing point beyond a region's far end, in heights of the picture.

With the vanishing point on the horizon, the outer directions would point sideways.
"""


def approach_directions(regions: Regions, number: int) -> Tensor:
    """Diverging directions towards the viewer: downwards on water, upwards in a sky.

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
    beyond = VANISHING_DISTANCE * height
    like = torch.zeros((), device=regions.number.device)
    vanishing_point = torch.stack(
        [edge.float().mean(), like + far + (beyond if is_sky else -beyond)]
    )
    direction = pixel_grid(height, width, like) - vanishing_point.view(1, 2, 1, 1)
    return direction / lengths(direction).clamp(min=1e-6)
