"""Detection of a static camera from rigid content, and removal of small shakes."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from stylecinegan.errors import InputError
from stylecinegan.io import load_opencv

STATIC_TOLERANCE = 0.75
"""Largest displacement of a static point, in pixels: the noise of tracking."""

LARGEST_SHAKE = 0.03
"""Largest camera shake that is removed, as a fraction of the picture's longer side."""

NUM_CORNERS = 600
FEWEST_TRACKS = 8

LEAST_STATIC = 0.04
"""Smallest fraction of static corners for the camera to be static."""

LEAST_SHAKING = 0.2
"""Smallest fraction of corners with a common motion by which a shake is removed."""

IDENTITY = np.eye(2, 3)


def stabilize(frames: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Checks that the camera is static and removes small shakes by registration.

    Corners are tracked through the clip. If enough of them are static, so is the camera. Otherwise
    they are grouped by common motion (a similarity transform). If a group oscillates, the camera
    shakes, and all frames are registered to the first by that group. If all groups drift, either
    the camera pans, or clouds or water fill the picture; only the user can tell which.

    Args:
        frames: Grey, ``[H, W]``, uint8, at least two of one size.

    Returns:
        The registered frames, and the fraction of them that cover each pixel, ``[H, W]`` in [0, 1].

    Raises:
        InputError: If there is no static content.
    """
    tracks = track_corners(frames)
    num_tracks = tracks.shape[1]
    away = np.linalg.norm(tracks - tracks[:1], axis=-1).max(axis=0, initial=0.0)
    # A small group suffices: most corners may be on clouds.
    if (away <= STATIC_TOLERANCE).sum() >= max(FEWEST_TRACKS, LEAST_STATIC * num_tracks):
        return list(frames), np.ones(frames[0].shape, np.float32)
    largest = LARGEST_SHAKE * max(frames[0].shape)
    for group in _groups(tracks, max(FEWEST_TRACKS, int(LEAST_SHAKING * num_tracks))):
        path = _path(tracks[:, group], frames[0].shape)
        if np.linalg.norm(path - path[0], axis=-1).max() <= largest and _oscillates(path):
            return _register(frames, tracks[:, group])
    raise InputError(
        "wanted a static camera, found no static content: the camera moves, or clouds or water "
        "fill the picture (then set camera=static)"
    )


def track_corners(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Tracks corners of the first frame through all frames.

    Returns:
        ``[T, K, 2]``, (x, y) of the corners that were never lost, K may be 0.
    """
    cv2 = load_opencv()
    height, width = frames[0].shape
    distance = max(3.0, max(height, width) / 60)
    corners = cv2.goodFeaturesToTrack(frames[0], NUM_CORNERS, 0.003, distance)
    if corners is None:
        return np.zeros((len(frames), 0, 2), np.float32)
    path = [corners.reshape(-1, 1, 2)]
    kept = np.ones(len(corners), bool)
    window = {"winSize": (15, 15), "maxLevel": 3}
    for previous, frame in pairwise(frames):
        moved, found, _ = cv2.calcOpticalFlowPyrLK(previous, frame, path[-1], None, **window)
        back, found_back, _ = cv2.calcOpticalFlowPyrLK(frame, previous, moved, None, **window)
        returned = np.linalg.norm(back - path[-1], axis=-1)[:, 0] < 0.5
        kept &= (found[:, 0] > 0) & (found_back[:, 0] > 0) & returned
        path.append(moved)
    return np.concatenate(path, axis=1).transpose(1, 0, 2)[:, kept]


def _groups(tracks: np.ndarray, fewest: int) -> Iterator[np.ndarray]:
    """Groups tracks by the similarity transform from the first to the last frame."""
    remaining = np.arange(tracks.shape[1])
    while len(remaining) >= fewest:
        _, inlier = _similarity(tracks[0, remaining], tracks[-1, remaining])
        if inlier.sum() < fewest:
            return
        yield remaining[inlier]
        remaining = remaining[~inlier]


def _similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Robust similarity transform, ``[2, 3]``, and its inliers."""
    cv2 = load_opencv()
    cv2.setRNGSeed(0)  # makes RANSAC deterministic
    pair = np.ascontiguousarray(source), np.ascontiguousarray(target)
    matrix, inlier = cv2.estimateAffinePartial2D(*pair, ransacReprojThreshold=1.0)
    if matrix is None:
        return IDENTITY, np.zeros(len(source), bool)
    return matrix, inlier[:, 0] > 0


def _path(tracks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Paths of the picture's corners under a group's motion, ``[T, 4, 2]``."""
    height, width = shape
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float)
    return np.stack([corners @ _similarity(tracks[0], points)[0].T for points in tracks])


def _oscillates(path: np.ndarray) -> bool:
    """Whether a path oscillates rather than drifts: its linear trend is below the residual."""
    time = np.linspace(-0.5, 0.5, len(path))
    flat = path.reshape(len(path), -1)
    slope = time @ flat / (time @ time)
    residual = np.abs(flat - flat.mean(axis=0) - time[:, None] * slope).max()
    return bool(np.abs(slope).max() <= max(STATIC_TOLERANCE, residual))


def _register(
    frames: Sequence[np.ndarray], tracks: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Registers all frames to the first."""
    cv2 = load_opencv()
    height, width = frames[0].shape
    stable, shown = [], np.zeros((height, width), np.float32)
    for frame, points in zip(frames, tracks, strict=True):
        matrix, _ = _similarity(tracks[0], points)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        stable.append(
            cv2.warpAffine(
                frame, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
        )
        shown += cv2.warpAffine(np.ones_like(shown), matrix, (width, height), flags=flags)
    return stable, np.clip(shown / len(frames), 0.0, 1.0)
