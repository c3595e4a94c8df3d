"""A drawn photo with its mask and its motion, for benchmarks that need no real one."""

import torch
from torch import Tensor

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.motion.controls.controls import directed_motion, normalize_speed


def draw_scene(side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Draws a square photo, its mask and its motion.

    Args:
        side: Height and width in pixels.
        device: Device of the tensors.

    Returns:
        I, ``[1, 3, side, side]`` in [-1, 1]; S, ``[1, 1, side, side]``; and M, ``[1, 2, side,
        side]``, to the right, in pixels per frame.
    """
    drawn = draw_landscape(side, side)
    mask = drawn.mask.to(device)
    motion = normalize_speed(directed_motion("right", mask) * mask, 1.0)
    return drawn.image.to(device), mask, motion
