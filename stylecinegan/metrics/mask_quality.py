"""Overlap and boundary accuracy of predicted masks."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from stylecinegan.io import load_opencv

Regions = dict[str, tuple[int, ...]]

REGIONS: Regions = {"sky": (1,), "water": (2,), "moving": (1, 2)}
"""Classes of each region that is measured."""

TOLERANCE = 3.0
"""Distance in pixels at which a boundary still counts as found, where the shorter side has 256."""


class Overlap:
    """Intersection over union of a region, over all pixels of a set of pictures."""

    def __init__(self) -> None:
        self.intersection = 0
        self.union = 0

    def add(self, predicted: Tensor, wanted: Tensor) -> None:
        """Counts a picture; both boolean, of the same shape."""
        self.intersection += int((predicted & wanted).sum())
        self.union += int((predicted | wanted).sum())

    def result(self) -> float:
        """Returns the ratio in [0, 1], 1 where neither has the region anywhere."""
        return self.intersection / self.union if self.union else 1.0


def boundary_f_score(predicted: Tensor, wanted: Tensor, tolerance: float = TOLERANCE) -> float:
    """F-score of boundary precision and recall within a tolerance (Perazzi 2016).

    Args:
        predicted: Boolean, ``[H, W]``.
        wanted: Boolean, ``[H, W]``.
        tolerance: Distance in pixels that still counts as near.

    Returns:
        Harmonic mean of precision and recall in [0, 1]; 1 where neither has a boundary and 0
        where only one has.
    """
    ours, theirs = _boundary(predicted), _boundary(wanted)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = float((_distance_to(theirs)[ours] <= tolerance).mean())
    recall = float((_distance_to(ours)[theirs] <= tolerance).mean())
    total = precision + recall
    return 2.0 * precision * recall / total if total else 0.0


def measure_masks(
    pairs: Iterable[tuple[Tensor, Tensor]],
    predict: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> dict[str, float]:
    """Protocol of the mask table: overlap over all pixels, boundary as a mean of pictures.

    Args:
        pairs: Photos, ``[1, 3, H, W]`` in [-1, 1], and their classes, ``[H, W]`` (0 static, 1 sky,
            2 water).
        predict: Gives the classes before refinement, ``[H, W]``, and the refined mask of what
            moves, ``[1, 1, H, W]`` in [0, 1], of a photo.

    Returns:
        ``iou_sky``, ``iou_water`` (before refinement), ``iou_moving`` and ``boundary`` (refined),
        ``iou_moving_unrefined`` and ``boundary_unrefined``.
    """
    overlaps = {name: Overlap() for name in ("sky", "water", "moving", "moving_unrefined")}
    boundaries: dict[str, list[float]] = {"boundary": [], "boundary_unrefined": []}
    for photo, wanted in pairs:
        classes, mask = predict(photo)
        moves, should_move = mask[0, 0] > 0.5, _region(wanted, REGIONS["moving"])
        moved = _region(classes, REGIONS["moving"])
        for name in ("sky", "water"):
            overlaps[name].add(_region(classes, REGIONS[name]), _region(wanted, REGIONS[name]))
        overlaps["moving"].add(moves, should_move)
        overlaps["moving_unrefined"].add(moved, should_move)
        boundaries["boundary"].append(boundary_f_score(moves, should_move))
        boundaries["boundary_unrefined"].append(boundary_f_score(moved, should_move))
    return {
        **{f"iou_{name}": overlap.result() for name, overlap in overlaps.items()},
        **{name: float(np.mean(scores)) for name, scores in boundaries.items()},
    }


def _region(classes: Tensor, members: tuple[int, ...]) -> Tensor:
    return torch.isin(classes, torch.tensor(members))


def _boundary(region: Tensor) -> np.ndarray:
    """Pixels of a region with a neighbour outside it; the picture's border does not count."""
    cv2 = load_opencv()
    inside = region.cpu().numpy().astype(np.uint8)
    eroded = cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return (inside - eroded) > 0


def _distance_to(points: np.ndarray) -> np.ndarray:
    """Distance of every pixel to the nearest of some points, in pixels."""
    cv2 = load_opencv()
    return cv2.distanceTransform((~points).astype(np.uint8), cv2.DIST_L2, 5)
