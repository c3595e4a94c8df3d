"""Regions of a mask that move independently: a sky, a river, a waterfall."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io import load_opencv

KINDS = {0: "unknown", 1: "sky", 2: "water", 3: "waterfall"}

LEAST_AREA = 0.002
"""Smallest region, as a fraction of the picture; smaller components are merged with neighbours."""

HORIZON_SPEED = 0.3
"""Speed at the horizon, as a fraction of the speed nearest to the viewer."""


@dataclass(frozen=True)
class Regions:
    """Partition of the picture by nearest moving region.

    Attributes:
        number: Region of each pixel, ``[H, W]``, int64, from 0.
        kinds: ``"sky"``, ``"water"``, ``"waterfall"`` or ``"unknown"`` by number.
        moves: Where the mask is above 0.5, boolean ``[H, W]``.
    """

    number: Tensor
    kinds: tuple[str, ...]
    moves: Tensor

    def of_kind(self, kind: str | None) -> list[int]:
        """Numbers of the regions of a kind; of all regions for ``None``."""
        return [number for number, own in enumerate(self.kinds) if kind in (own, None)]

    def named(self, kind: str | None) -> list[int]:
        """Numbers of the regions that a word refers to.

        "water" means the waterfall where there is no other water, and "waterfall" the water where
        no waterfall was found. "fountain" means falling water only.
        """
        if kind == "fountain":
            return self.of_kind("waterfall")
        stand_in = {"water": "waterfall", "waterfall": "water"}
        return self.of_kind(kind) or (self.of_kind(stand_in[kind]) if kind in stand_in else [])

    def check_known(self, kind: str, control: str) -> None:
        """Checks that the regions' kinds are known.

        Args:
            kind: Kind of region that a control refers to.
            control: Name of the control, for the error message.

        Raises:
            InputError: If they are not.
        """
        if "unknown" in self.kinds:
            raise InputError(
                f"{control} refers to the {kind}, but which part of the mask is {kind} is not "
                "known: apply it to everything, or draw an arrow"
            )

    def is_sky(self, number: int) -> bool:
        """Whether a region is sky; unknown kinds count if they touch the picture's upper edge."""
        if self.kinds[number] != "unknown":
            return self.kinds[number] == "sky"
        return bool((self.moves & (self.number == number))[0].any())

    def skies(self) -> list[int]:
        """Numbers of the regions that are sky."""
        return [number for number in range(len(self.kinds)) if self.is_sky(number)]

    def level_waters(self) -> list[int]:
        """Numbers of the regions that are neither sky nor waterfalls."""
        return [
            number
            for number, kind in enumerate(self.kinds)
            if kind != "waterfall" and not self.is_sky(number)
        ]

    @property
    def sky(self) -> Tensor:
        """Pixels whose nearest region is sky, boolean ``[H, W]``."""
        by_number = [self.is_sky(number) for number in range(len(self.kinds))]
        return torch.tensor(by_number, device=self.number.device)[self.number]

    def at(self, point: complex) -> int | None:
        """Number of the moving region at a point x + iy, or ``None``."""
        height, width = self.number.shape
        column, row = math.floor(point.real), math.floor(point.imag)
        # The coordinate 1.0 is the picture's edge.
        column, row = column - (column == width), row - (row == height)
        inside = 0 <= column < width and 0 <= row < height and bool(self.moves[row, column])
        return int(self.number[row, column]) if inside else None


def find_regions(mask: Tensor, class_mask: Tensor | None = None) -> Regions:
    """Splits a mask into connected regions of one class each.

    Args:
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        class_mask: 0 static, 1 sky, 2 water, 3 falling water, ``[1, 1, h, w]``; ``None`` where
            that is unknown.

    Raises:
        InputError: If nothing moves.
    """
    moves = (mask[0, 0] > 0.5).cpu().numpy()
    if not moves.any():
        raise InputError("the mask is empty: there is nothing whose motion could be controlled")
    classes = np.zeros(moves.shape, np.int64)
    if class_mask is not None:
        resized = F.interpolate(class_mask.float(), mask.shape[2:], mode="nearest-exact")
        classes = resized[0, 0].long().cpu().numpy()
        if (known := moves & (classes > 0)).any():
            # The mask's edge is finer than the classes'.
            classes = _extend(classes, known)
    number, kinds = _number_parts(moves, classes)
    nearest = _extend(number, number > 0) - 1
    return Regions(
        torch.from_numpy(nearest).to(mask.device), kinds, torch.from_numpy(moves).to(mask.device)
    )


def perspective(regions: Regions) -> Tensor:
    """Relative speed by distance from the horizon: the lower end of a sky, the upper end of water.

    A region of unknown kind counts as sky if it touches the picture's upper edge. Waterfalls, which
    are upright, have speed 1.

    Args:
        regions: Regions of the map.

    Returns:
        ``[1, 1, H, W]`` in [0.3, 1].
    """
    height = regions.number.shape[0]
    rows = torch.arange(height, dtype=torch.float32, device=regions.number.device)
    speed = torch.zeros(regions.number.shape, device=regions.number.device)
    for number, kind in enumerate(regions.kinds):
        region = regions.number == number
        occupied = (region & regions.moves).any(dim=1).nonzero()
        top, bottom = int(occupied.min()), int(occupied.max())
        is_sky = regions.is_sky(number)
        nearness = (rows - (bottom if is_sky else top)).abs() / max(bottom - top, 1)
        profile = HORIZON_SPEED + (1.0 - HORIZON_SPEED) * nearness.clamp(0.0, 1.0)
        if kind == "waterfall":
            profile = torch.ones_like(profile)
        speed = torch.where(region, profile[:, None], speed)
    return speed[None, None]


def _number_parts(moves: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the large connected parts from 1 on; 0 is everything else."""
    cv2 = load_opencv()
    number = np.zeros(moves.shape, np.int64)
    kinds: list[str] = []
    parts = []
    for value in np.unique(classes[moves]):
        _, labels, statistics, _ = cv2.connectedComponentsWithStats(
            (moves & (classes == value)).astype(np.uint8)
        )
        parts.append((value, labels, statistics[1:, cv2.CC_STAT_AREA]))
    largest = max(areas.max() for _, _, areas in parts)
    for value, labels, areas in parts:
        large = np.flatnonzero(areas >= min(LEAST_AREA * moves.size, largest)) + 1
        for part in large:
            kinds.append(KINDS[int(value)])
            number[labels == part] = len(kinds)
    return number, tuple(kinds)


def _extend(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Gives every pixel the value of the nearest known one."""
    cv2 = load_opencv()
    _, nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_label = np.zeros(nearest.max() + 1, np.int64)
    by_label[nearest[known]] = values[known]
    return by_label[nearest]
