"""Brush strokes that follow the photo's edges: a rough one takes the thing, not what is behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from stylecinegan.io import load_opencv
from stylecinegan.mask.colour_models import fit_colours, resize
from stylecinegan.mask.guided_filter import guided_filter

StrokeKind = Literal["moves", "stays", "erase"]

MODEL_SIDE = 256
"""Longer side at which colours are collected."""

RING = 0.8
"""Width of the surroundings whose colours count as behind, in radii of the stroke."""

UNLIKE = 9.0
"""Squared Mahalanobis distance from which on a colour is none of the surroundings'."""

LEAST_SHARE = 0.03
"""Share of a stroke that must be unlike its surroundings; else the stroke is taken as drawn."""

FILTER_EPSILON = 1e-3
"""Variance of the photo below which a window of the final filter counts as flat."""


@dataclass(frozen=True)
class Stroke:
    """One stroke of a brush.

    Attributes:
        kind: ``"moves"`` and ``"stays"`` correct the mask, ``"erase"`` takes corrections away.
        points: (x, y), shares of the photo's width and height; may lie outside.
        radius: Of the brush, as a share of the photo's longer side.
        softness: Share of the radius over which the brush fades, in [0, 1].
        follows_edges: Takes of what is under the brush only what differs from its surroundings.
    """

    kind: StrokeKind
    points: tuple[tuple[float, float], ...]
    radius: float
    softness: float = 0.0
    follows_edges: bool = True


@dataclass(frozen=True)
class Patch:
    """Coverage of a stroke on a part of the picture.

    Attributes:
        top: First row.
        left: First column.
        cover: ``[h, w]``, uint8, 255 where it covers all.
    """

    top: int
    left: int
    cover: np.ndarray


def cover(stroke: Stroke, picture: np.ndarray, mask: np.ndarray) -> Patch:
    """Coverage of a picture by a stroke.

    Args:
        stroke: The stroke.
        picture: The photo at any size, ``[H, W, 3]``, uint8.
        mask: S as predicted, ``[h, w]`` in [0, 1], of any size: what a stroke that makes things
            stay has to tell them from is what moves, and the other way round.
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
        behind = moves if stroke.kind == "stays" else 1.0 - moves
        covered *= _thing(part, covered, (distance > radius) * behind)
    return Patch(top, left, np.rint(255.0 * covered).astype(np.uint8))


def paint(
    strokes: Sequence[tuple[StrokeKind, Patch]], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Lays strokes over each other, a later one over the earlier ones.

    Args:
        strokes: Kinds and what they cover, in the order of drawing.
        size: (height, width) of the picture.

    Returns:
        What moves as well and what stays, ``[H, W]``, uint8: the ``add`` and ``remove`` of
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


def _thing(picture: np.ndarray, inside: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Probability that a pixel is of the thing under the brush and not of what is behind it.

    What is behind shows around the stroke; the thing is what differs from that inside. Where
    nothing does, or nothing is known of what is behind, all is taken.

    Args:
        picture: ``[h, w, 3]``, float32 in [0, 1].
        inside: Cover of the brush, ``[h, w]`` in [0, 1].
        behind: Weight of what is behind, ``[h, w]`` in [0, 1].

    Returns:
        ``[h, w]`` in [0, 1].
    """
    everything = np.ones_like(inside)
    if behind.sum() < 0.1 * (inside == 0).sum():
        return everything
    scale = min(1.0, MODEL_SIDE / max(inside.shape))
    size = (max(1, round(inside.shape[0] * scale)), max(1, round(inside.shape[1] * scale)))
    small, within, ring = (resize(part, size) for part in (picture, inside, behind))
    ring = ring.astype(np.float32)
    around = fit_colours(small, ring)
    for _ in range(2):  # without the thing, where it goes on beyond the stroke
        around = fit_colours(small, ring / (1.0 + (around.squared_distance(small) / UNLIKE) ** 2))
    unlike = within * np.clip(around.squared_distance(small) / UNLIKE - 1.0, 0.0, 1.0)
    if unlike.sum() < LEAST_SHARE * within.sum():
        return everything
    thing = fit_colours(small, unlike.astype(np.float32))
    ratio = thing.log_density(picture, 0.1) - around.log_density(picture, 0.02)
    probability = 1.0 / (1.0 + np.exp(-np.clip(ratio, -6.0, 6.0)))
    filtered = guided_filter(
        torch.from_numpy(probability.astype(np.float32))[None, None],
        torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None],
        radius=2.0 / max(inside.shape),
        epsilon=FILTER_EPSILON,
        working_side=max(inside.shape),
    )[0, 0].numpy()
    # One pixel more: its colour is half the thing's.
    grown = load_opencv().dilate(filtered, np.ones((3, 3), np.uint8))
    return np.clip((grown - 0.25) / 0.5, 0.0, 1.0)
