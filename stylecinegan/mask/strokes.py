"""Brush strokes that snap to the photo's edges: a rough one selects an object alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from stylecinegan.framing import limited_size
from stylecinegan.io import load_opencv
from stylecinegan.mask.colour_models import fit_colours, resize
from stylecinegan.mask.guided_filter import guided_filter

StrokeKind = Literal["moves", "stays", "erase"]

MODEL_SIDE = 256
"""Longer side at which the colour models are fitted."""

RING = 0.8
"""Width of the ring around a stroke that models the background's colours, in stroke radii."""

UNLIKE = 9.0
"""Squared Mahalanobis distance above which a colour is not of the background."""

LEAST_SHARE = 0.03
"""Least fraction of a stroke that differs from the background; below it, it is used as drawn."""

FILTER_EPSILON = 1e-3
"""Variance of the photo below which a window of the final filter counts as flat."""


@dataclass(frozen=True)
class Stroke:
    """One stroke of a brush.

    Attributes:
        kind: ``"moves"`` adds to the mask, ``"stays"`` removes from it, ``"erase"`` undoes both.
        points: (x, y) in normalised coordinates; may lie outside the photo.
        radius: Radius of the brush, as a fraction of the photo's longer side.
        softness: Fraction of the radius over which the brush fades out, in [0, 1].
        follows_edges: Selects only the object under the brush, by its difference from the
            surroundings.
    """

    kind: StrokeKind
    points: tuple[tuple[float, float], ...]
    radius: float
    softness: float = 0.0
    follows_edges: bool = True


@dataclass(frozen=True)
class Patch:
    """Coverage of a stroke in a rectangle of the picture.

    Attributes:
        top: First row.
        left: First column.
        cover: ``[h, w]``, uint8, 255 for full coverage.
    """

    top: int
    left: int
    cover: np.ndarray


def cover(stroke: Stroke, picture: np.ndarray, mask: np.ndarray) -> Patch:
    """Computes the coverage of a picture by a stroke.

    Args:
        stroke: The stroke.
        picture: The photo at any size, ``[H, W, 3]``, uint8.
        mask: Predicted S, ``[h, w]`` in [0, 1], of any size. The moving region is the background
            of a stroke that removes, the static region that of one that adds.
    """
    height, width = picture.shape[:2]
    longer = max(height, width)
    radius = max(stroke.radius * longer, 0.5)
    points = np.asarray(stroke.points, np.float64) * (width, height)
    margin = RING * radius + 3.0 if stroke.follows_edges else 1.0
    left, top = np.floor(points.min(axis=0) - radius - margin).astype(int)
    right, bottom = np.ceil(points.max(axis=0) + radius + margin).astype(int)
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return Patch(0, 0, np.zeros((0, 0), np.uint8))
    distance = _distance(points - (left, top), (bottom - top, right - left), radius + margin)
    ramp = max(1.0, stroke.softness * radius)
    covered = np.clip((radius + 0.5 - distance) / ramp, 0.0, 1.0).astype(np.float32)
    if stroke.follows_edges and stroke.kind != "erase":
        part = picture[top:bottom, left:right].astype(np.float32) / 255.0
        moves = resize(mask, (height, width))[top:bottom, left:right]
        background = moves if stroke.kind == "stays" else 1.0 - moves
        covered *= _object_probability(part, covered, (distance > radius) * background)
    return Patch(top, left, np.rint(255.0 * covered).astype(np.uint8))


def paint(
    strokes: Sequence[tuple[StrokeKind, Patch]], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Composites strokes; later ones override earlier ones.

    Args:
        strokes: Kinds and coverages, in the order of drawing.
        size: (height, width) of the picture.

    Returns:
        Regions to add to a mask and to remove from it, ``[H, W]``, uint8, as for
        :func:`~stylecinegan.mask.corrections.correct_mask`.
    """
    add, remove = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for kind, patch in strokes:
        rows = slice(patch.top, patch.top + patch.cover.shape[0])
        columns = slice(patch.left, patch.left + patch.cover.shape[1])
        for name, map_ in (("moves", add), ("stays", remove)):
            part = map_[rows, columns]
            if name == kind:
                np.maximum(part, patch.cover, out=part)
            else:
                np.minimum(part, 255 - patch.cover, out=part)
    return add, remove


def _distance(points: np.ndarray, size: tuple[int, int], farthest: float) -> np.ndarray:
    """Distance of pixel centres to a polyline, exact up to ``farthest``, ``[H, W]``."""
    height, width = size
    distance = np.full(size, np.inf, np.float32)
    starts, ends = (points, points) if len(points) == 1 else (points[:-1], points[1:])
    for start, end in zip(starts, ends, strict=True):
        low = np.floor(np.minimum(start, end) - farthest).astype(int)
        high = np.ceil(np.maximum(start, end) + farthest).astype(int)
        left, top = np.clip(low, 0, (width, height))
        right, bottom = np.clip(high, 0, (width, height))
        x = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - start[0])
        y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - start[1])
        step = end - start
        length = float(step @ step)
        share = np.clip((x * step[0] + y * step[1]) / length, 0.0, 1.0) if length else 0.0
        away = np.hypot(x - share * step[0], y - share * step[1])
        part = distance[top:bottom, left:right]
        np.minimum(part, away, out=part)
    return distance


def _object_probability(
    picture: np.ndarray, inside: np.ndarray, background: np.ndarray
) -> np.ndarray:
    """Probability that a pixel belongs to the object under the brush, not to its background.

    The background's colours are those around the stroke, the object's those inside that differ
    from them. The probability is 1 if none differ or the background is unknown.

    Args:
        picture: ``[h, w, 3]``, float32 in [0, 1].
        inside: Coverage of the brush, ``[h, w]`` in [0, 1].
        background: Weight of background pixels, ``[h, w]`` in [0, 1].

    Returns:
        ``[h, w]`` in [0, 1].
    """
    everything = np.ones_like(inside)
    if background.sum() < 0.1 * (inside == 0).sum():
        return everything
    size = limited_size(inside.shape, MODEL_SIDE)
    small, within, ring = (resize(part, size) for part in (picture, inside, background))
    ring = ring.astype(np.float32)
    around = fit_colours(small, ring)
    for _ in range(2):  # downweights parts of the object that extend beyond the stroke
        around = fit_colours(small, ring / (1.0 + (around.squared_distance(small) / UNLIKE) ** 2))
    unlike = within * np.clip(around.squared_distance(small) / UNLIKE - 1.0, 0.0, 1.0)
    if unlike.sum() < LEAST_SHARE * within.sum():
        return everything
    foreground = fit_colours(small, unlike.astype(np.float32))
    ratio = foreground.log_density(picture, 0.1) - around.log_density(picture, 0.02)
    probability = 1.0 / (1.0 + np.exp(-np.clip(ratio, -6.0, 6.0)))
    filtered = guided_filter(
        torch.from_numpy(probability.astype(np.float32))[None, None],
        torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None],
        radius=2.0 / max(inside.shape),
        epsilon=FILTER_EPSILON,
        working_side=max(inside.shape),
    )[0, 0].numpy()
    # Dilated by one pixel, whose colours are mixed with the object's.
    grown = load_opencv().dilate(filtered, np.ones((3, 3), np.uint8))
    return np.clip((grown - 0.25) / 0.5, 0.0, 1.0)
