"""Motion that a user asks for in a word."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError

DIRECTIONS = {
    "right": (1.0, 0.0),
    "down-right": (1.0, 1.0),
    "down": (0.0, 1.0),
    "down-left": (-1.0, 1.0),
    "left": (-1.0, 0.0),
    "up-left": (-1.0, -1.0),
    "up": (0.0, -1.0),
    "up-right": (1.0, -1.0),
}
"""Words for (x, y), y down."""

HORIZON_SPEED = 0.3
"""Speed at the horizon, as a share of the speed nearest to the viewer."""


def directed_motion(direction: str, mask: Tensor) -> Tensor:
    """Moves the masked region in one direction, more slowly towards the horizon.

    Perspective shrinks far things and their motion. A part of the mask that touches the upper edge
    of the picture is taken for sky, whose lower end is the horizon; any other part for water,
    whose upper end is.

    Args:
        direction: A word of :data:`DIRECTIONS`.
        mask: S, ``[1, 1, H, W]`` in [0, 1].

    Returns:
        Motion ``[1, 2, H, W]``, (x, y), fastest 1 pixel per frame, defined outside the mask too.

    Raises:
        InputError: If the word is not known.
    """
    if direction not in DIRECTIONS:
        raise InputError(
            f"motion must be a file or one of {', '.join(DIRECTIONS)}, got {direction}"
        )
    x, y = DIRECTIONS[direction]
    length = math.hypot(x, y)
    speed = _perspective(mask)
    return torch.cat([speed * (x / length), speed * (y / length)], dim=1)


def _perspective(mask: Tensor) -> Tensor:
    """Speed by distance to the horizon, ``[1, 1, H, W]`` in [0.3, 1]."""
    binary = (mask[0, 0] > 0.5).cpu().numpy().astype(np.uint8)
    height = binary.shape[0]
    count, parts, stats, _ = cv2.connectedComponentsWithStats(binary)
    speed = np.full(binary.shape, HORIZON_SPEED, np.float32)
    rows = np.arange(height, dtype=np.float32)
    for part in range(1, count):
        top, extent = stats[part, cv2.CC_STAT_TOP], stats[part, cv2.CC_STAT_HEIGHT]
        is_sky = top == 0
        horizon = top + extent - 1 if is_sky else top
        nearness = np.abs(rows - horizon) / max(extent - 1, 1)
        profile = HORIZON_SPEED + (1.0 - HORIZON_SPEED) * np.clip(nearness, 0.0, 1.0)
        speed = np.where(parts == part, profile[:, None], speed)
    return torch.from_numpy(speed).to(mask.device).view(1, 1, *binary.shape)


def normalize_speed(motion: Tensor, speed: float) -> Tensor:
    """Scales a motion so that its fastest pixel moves ``speed`` pixels per frame at 512.

    Args:
        motion: ``[1, 2, H, W]``, pixels per frame of this map.
        speed: Pixels per frame on a picture whose longer side is 512, the released convention.

    Returns:
        ``[1, 2, H, W]``; a motion that is zero everywhere stays so.
    """
    fastest = motion.square().sum(dim=1).max().sqrt()
    wanted = speed * max(motion.shape[2:]) / 512.0
    return motion * (wanted / fastest) if fastest > 0 else motion
