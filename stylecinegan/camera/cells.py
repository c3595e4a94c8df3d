"""Coarse grid over a photo: fractions of sky, water and static content, and upright objects."""

from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from stylecinegan.camera.ground import Ground
from stylecinegan.camera.straight_lines import are_upright
from stylecinegan.motion.regions import Regions

STATIC_FRACTION = 0.3
"""Smallest static fraction of a cell for a line in it to count as static; masts are thin."""


class Cells:
    """Cells of a grid over a photo and their contents.

    Args:
        regions: Moving regions of the photo, at any resolution.
        ground: Ground plane of the photo.
        lines: Straight lines, ``[L, 2, 2]``, by their ends in normalised coordinates.
        lines_size: (height, width) of the picture in which they were found.
        grid: Rows and columns of cells.

    Attributes:
        sky: Fraction of sky in each cell, ``[rows, columns]`` in [0, 1].
        water: Fraction of water, without falls.
        static: Remaining fraction.
        rigid: Largest static fraction of a cell and its 8 neighbours.
        upright_lines: Static lines of upright objects.
        other_lines: Other static lines.
        rows: Centres of the rows, as fractions of the height.
    """

    def __init__(
        self,
        regions: Regions,
        ground: Ground,
        lines: np.ndarray,
        lines_size: tuple[int, int],
        grid: tuple[int, int],
    ) -> None:
        self.grid = grid
        self.ground = ground
        self.sky = self._fraction(regions, regions.skies())
        self.water = self._fraction(regions, regions.level_waters())
        self.static = 1.0 - self.sky - self.water
        # Cells at a silhouette are as rigid as those inside.
        self.rigid = F.max_pool2d(torch.from_numpy(self.static)[None, None], 3, 1, 1)[0, 0].numpy()
        column, row = self._cell_of(lines.mean(axis=1))
        is_static = self.static[row, column] > STATIC_FRACTION
        upright = are_upright(lines, lines_size)
        self.upright_lines = lines[is_static & upright]
        self.other_lines = lines[is_static & ~upright]
        self.rows = (np.arange(grid[0]) + 0.5) / grid[0]

    @cached_property
    def upright(self) -> np.ndarray:
        """Cells that an upright line passes through, boolean ``[rows, columns]``."""
        passed = np.zeros(self.grid, bool)
        for line in self.upright_lines:
            column, row = self._cell_of(np.linspace(*line, num=2 * max(self.grid)))
            passed[row, column] = True
        return passed

    @cached_property
    def foot(self) -> np.ndarray:
        """Feet of objects: 1 in static cells above water; the static fraction of the lowest row."""
        is_static = self.static > 0.5
        foot = np.zeros(self.grid)
        foot[:-1] = is_static[:-1] & ~is_static[1:] & (self.water[1:] > 0.5)
        foot[-1] = self.static[-1]
        return foot

    @cached_property
    def land(self) -> np.ndarray:
        """Static cells below the horizon and all upright objects, down to the lower edge."""
        from_below = np.cumprod(self.static[::-1] > 0.5, axis=0)[::-1].astype(bool)
        beside = F.max_pool2d(torch.from_numpy(self.upright)[None].float(), (1, 3), 1, (0, 1))
        has_upright_below = np.cumsum(beside[0].numpy()[::-1], axis=0)[::-1] > 0
        return from_below & ~has_upright_below & (self.rows > self.ground.horizon)[:, None]

    def _fraction(self, regions: Regions, numbers: list[int]) -> np.ndarray:
        part = torch.isin(regions.number, torch.tensor(numbers, dtype=torch.int64))
        part = (part & regions.moves).double()[None, None]
        return F.interpolate(part, self.grid, mode="area")[0, 0].numpy()

    def _cell_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.grid
        column = (points[:, 0] * width).astype(int).clip(0, width - 1)
        return column, (points[:, 1] * height).astype(int).clip(0, height - 1)
