"""Ground plane of a photo from the ends of sky and water."""

from dataclasses import dataclass

import numpy as np

from stylecinegan.motion.regions import Regions

NEAREST = 1 / 3
"""Smallest distance, in heights of the picture, from the horizon to nearness 1.

It keeps a strip of land below a sky farther away than a meadow that fills half the picture.
"""

SHORE = 0.04
"""Typical distance from the horizon down to a lake's far shore, in heights of the picture."""

WIDE_WATER = 0.4
"""Smallest width of water that extends to the horizon, as a fraction of the picture's width."""

DEFAULT_HORIZON = 0.45
"""Row of the horizon in photos without sky and water, as a fraction of the height."""


@dataclass(frozen=True)
class Ground:
    """A horizontal plane under a level camera.

    Inverse depth of a plane is linear in the picture, so nearness is linear below the horizon.

    Attributes:
        horizon: Row of the horizon, as a fraction of the height.
    """

    horizon: float

    def nearness(self, rows: np.ndarray) -> np.ndarray:
        """Nearness of the plane in row y, ``(y - h) / max(1 - h, 1/3)``; 0 above the horizon h.

        Args:
            rows: y, as fractions of the height, of any shape.

        Returns:
            Nearness, of the same shape.
        """
        reach = max(1.0 - self.horizon, NEAREST)
        return ((rows - self.horizon) / reach).clip(0.0, None)


def find_ground(regions: Regions) -> Ground:
    """Estimates the horizon between the lower end of the sky and the upper end of water.

    Args:
        regions: Regions of the photo, at any resolution.
    """
    height, width = regions.number.shape
    number, moves = regions.number.cpu().numpy(), regions.moves.cpu().numpy()
    sky = moves & np.isin(number, regions.skies())
    water = np.zeros((height, width), bool)
    for index in regions.level_waters():
        part = moves & (number == index)
        if part.any(axis=0).mean() >= WIDE_WATER:
            water |= part
    sky_end = water_start = None
    if sky.any():
        # Lowest sky, except for gaps under branches or bridges.
        ends = height - np.argmax(sky[::-1], axis=0)[sky.any(axis=0)]
        sky_end = float(np.percentile(ends, 90)) / height
    if water.any():
        starts = np.argmax(water, axis=0)[water.any(axis=0)]
        water_start = float(np.percentile(starts, 10)) / height
    if water_start is not None:
        shore = water_start - SHORE
        horizon = shore if sky_end is None else max(shore, min(sky_end, water_start))
        return Ground(min(max(horizon, 0.0), 1.0))
    return Ground(DEFAULT_HORIZON if sky_end is None else min(sky_end, 1.0))
