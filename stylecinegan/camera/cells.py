"""Coarse grid over a photo: sky, water, land and upright objects."""

from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from stylecinegan.camera.ground import Ground
from stylecinegan.camera.straight_lines import are_upright
from stylecinegan.motion.regions import Regions

STATIC_SHARE = 0.3
"""Smallest fraction of static pixels in a cell for a line in it to be static; masts are thin."""


class Cells:
    """Cells of a grid over a photo and their contents.

    Args:
        regions: Moving regions of the photo, at any resolution.
        ground: Ground plane of the photo.
        lines: Straight lines, ``[L, 2, 2]``, by their ends in normalised coordinates.
        lines_size: (height, width) of the picture in which they were found.
        grid: Rows and columns of cells.

    Attributes:
        sky: Share of sky in each cell, ``[rows, columns]``.
        water: Share of water, without falls.
        standing: Remaining share.
        rigid: Largest share of ``standing`` of the cell and those around it.
        upright_lines: Static lines of upright objects.
        other_lines: Other static lines.
        rows: Centres of the rows, as shares of the height.
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
        kinds = list(enumerate(regions.kinds))
        self.sky = self._share(regions, [index for index, _ in kinds if regions.is_sky(index)])
        flat = [i for i, kind in kinds if kind != "waterfall" and not regions.is_sky(i)]
        self.water = self._share(regions, flat)
        self.standing = 1.0 - self.sky - self.water
        # Cells at a silhouette are as rigid as those inside.
        around = torch.from_numpy(self.standing)[None, None]
        self.rigid = F.max_pool2d(around, 3, 1, 1)[0, 0].numpy()
        column, row = self._cell_of(lines.mean(axis=1))
        is_static = self.standing[row, column] > STATIC_SHARE
        upright = are_upright(lines, lines_size)
        self.upright_lines = lines[is_static & upright]
        self.other_lines = lines[is_static & ~upright]
        self.rows = (np.arange(grid[0]) + 0.5) / grid[0]

    @cached_property
    def upright(self) -> np.ndarray:
        """Cells with an upright line."""
        passed = np.zeros(self.grid, bool)
        for line in self.upright_lines:
            column, row = self._cell_of(np.linspace(*line, num=2 * max(self.grid)))
            passed[row, column] = True
        return passed

    @cached_property
    def foot(self) -> np.ndarray:
        """1 in static cells above water; at the picture's lower edge the static share."""
        is_static = self.standing > 0.5
        foot = np.zeros(self.grid)
        foot[:-1] = is_static[:-1] & ~is_static[1:] & (self.water[1:] > 0.5)
        foot[-1] = self.standing[-1]
        return foot

    @cached_property
    def land(self) -> np.ndarray:
        """Ground cells in front of all upright objects, down to the picture's lower edge."""
        from_below = np.cumprod(self.standing[::-1] > 0.5, axis=0)[::-1].astype(bool)
        beside = F.max_pool2d(torch.from_numpy(self.upright)[None].float(), (1, 3), 1, (0, 1))
        stands = np.cumsum(beside[0].numpy()[::-1], axis=0)[::-1] > 0
        return from_below & ~stands & (self.rows > self.ground.horizon)[:, None]

    def _share(self, regions: Regions, numbers: list[int]) -> np.ndarray:
        part = torch.isin(regions.number, torch.tensor(numbers, dtype=torch.int64))
        part = (part & regions.moves).double()[None, None]
        return F.interpolate(part, self.grid, mode="area")[0, 0].numpy()

    def _cell_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.grid
        column = (points[:, 0] * width).astype(int).clip(0, width - 1)
        return column, (points[:, 1] * height).astype(int).clip(0, height - 1)
