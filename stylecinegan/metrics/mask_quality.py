"""Overlap and boundary accuracy of predicted masks."""

from collections.abc import Callable, Iterable

import numpy as np
from torch import Tensor

from stylecinegan.io import load_opencv

TOLERANCE = 3.0
"""Largest distance of matching boundaries, in pixels of a picture whose shorter side is 256."""


class Overlap:
    """Intersection over union (IoU) of a region, over all pixels of a set of pictures."""

    def __init__(self) -> None:
        self.intersection = 0
        self.union = 0

    def add(self, predicted: Tensor, wanted: Tensor) -> None:
        """Adds a picture; both maps are boolean and of one shape."""
        self.intersection += int((predicted & wanted).sum())
        self.union += int((predicted | wanted).sum())

    def result(self) -> float:
        """IoU in [0, 1]; 1 if the region is empty in all predictions and references."""
        return self.intersection / self.union if self.union else 1.0


def boundary_f_score(predicted: Tensor, wanted: Tensor, tolerance: float = TOLERANCE) -> float:
    """F-score of boundary precision and recall within a tolerance (Perazzi 2016).

    Args:
        predicted: Boolean, ``[H, W]``.
        wanted: Boolean, ``[H, W]``.
        tolerance: Largest distance of matching boundaries, in pixels.

    Returns:
        Harmonic mean of precision and recall, in [0, 1]; 1 if neither has a boundary, 0 if only one
        has.
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
    """Measures masks: IoU over the pixels of all pictures, boundary F-score averaged over pictures.

    Args:
        pairs: Photos, ``[1, 3, H, W]`` in [-1, 1], and their classes, ``[H, W]`` (0 static, 1 sky,
            2 water).
        predict: Predicts the classes of a photo before refinement, ``[H, W]``, and its refined
            mask, ``[1, 1, H, W]`` in [0, 1].

    Returns:
        ``iou_sky``, ``iou_water`` (before refinement), ``iou_moving`` and ``boundary`` (refined),
        ``iou_moving_unrefined`` and ``boundary_unrefined``.
    """
    overlaps = {name: Overlap() for name in ("sky", "water", "moving", "moving_unrefined")}
    boundaries: dict[str, list[float]] = {"boundary": [], "boundary_unrefined": []}
    for photo, wanted in pairs:
        classes, mask = predict(photo)
        moves, moves_unrefined, truth = mask[0, 0] > 0.5, classes > 0, wanted > 0
        for name, number in (("sky", 1), ("water", 2)):
            overlaps[name].add(classes == number, wanted == number)
        overlaps["moving"].add(moves, truth)
        overlaps["moving_unrefined"].add(moves_unrefined, truth)
        boundaries["boundary"].append(boundary_f_score(moves, truth))
        boundaries["boundary_unrefined"].append(boundary_f_score(moves_unrefined, truth))
    return {
        **{f"iou_{name}": overlap.result() for name, overlap in overlaps.items()},
        **{name: float(np.mean(scores)) for name, scores in boundaries.items()},
    }


def _boundary(region: Tensor) -> np.ndarray:
    """Pixels of a region with a neighbour outside it; the picture's border does not count."""
    cv2 = load_opencv()
    inside = region.cpu().numpy().astype(np.uint8)
    eroded = cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return (inside - eroded) > 0


def _distance_to(points: np.ndarray) -> np.ndarray:
    """Distance of every pixel to the nearest point, in pixels."""
    cv2 = load_opencv()
    return cv2.distanceTransform((~points).astype(np.uint8), cv2.DIST_L2, 5)
