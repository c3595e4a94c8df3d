"""Placement of the camera for a photo."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.camera.camera import AMOUNT, Camera, Move
from stylecinegan.camera.ground import find_ground
from stylecinegan.camera.nearness import SIDE, estimate_nearness
from stylecinegan.errors import InputError
from stylecinegan.framing import limited_size
from stylecinegan.motion.regions import find_regions

FOCUS_ROWS = (0.25, 0.75)
"""Range of rows of a push's focus, as fractions of the height."""


def place_camera(
    move: Move,
    photo: Tensor,
    mask: Tensor,
    class_mask: Tensor | None = None,
    *,
    amount: float = AMOUNT,
    depth: Tensor | None = None,
) -> Camera:
    """Places the camera of a photo: a push goes towards the middle of the horizon.

    Args:
        move: ``"push"`` or ``"slide"``.
        photo: ``[1, 3, H, W]`` in [-1, 1].
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        class_mask: 0 static, 1 sky, 2 water, 3 falling water, ``[1, 1, h, w]``, if known.
        amount: See :class:`~stylecinegan.camera.camera.Camera`.
        depth: Inverse depth, ``[1, 1, h, w]`` of any size, the nearest largest; by default
            estimated (:func:`~stylecinegan.camera.nearness.estimate_nearness`).

    Raises:
        InputError: If move or amount are invalid, or the depth is constant.
    """
    size = limited_size(photo.shape[2:], SIDE, least=2)
    shrunken = F.interpolate(mask, size, mode="bilinear", antialias=True)
    moves = shrunken if bool((shrunken > 0.5).any()) else mask
    regions = find_regions(moves.cpu(), None if class_mask is None else class_mask.cpu())
    ground = find_ground(regions)
    if depth is None:
        nearness = estimate_nearness(photo, regions, ground)
    else:
        nearness = F.interpolate(depth, size, mode="bilinear", antialias=True)
        # Dilated, so that edges of near objects are not stretched.
        nearness = F.max_pool2d(_normalised(nearness), 5, 1, 2)
    row = min(max(ground.horizon, FOCUS_ROWS[0]), FOCUS_ROWS[1])
    return Camera(move, nearness.to(photo), amount, (0.5, row))


def _normalised(depth: Tensor) -> Tensor:
    """Scales a depth map to [0, 1]."""
    if depth.ndim != 4 or depth.shape[:2] != (1, 1) or not bool(torch.isfinite(depth).all()):
        raise InputError(f"a depth must be finite numbers, [1, 1, H, W], got {list(depth.shape)}")
    least, most = depth.amin(), depth.amax()
    if not bool(most > least):
        raise InputError("the depth is constant: wanted near points brighter than far ones")
    return (depth - least) / (most - least)
