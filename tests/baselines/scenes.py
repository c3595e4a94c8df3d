"""Scenes for the compared methods."""

import torch

from stylecinegan.baselines import FixedScene
from stylecinegan.data.drawn import draw_landscape


def make_scene(num_frames=3, speed=1.0, size=(64, 96)):
    """A drawn landscape with motion to the right, whose upper half is the mask."""
    photo = draw_landscape(*size).image
    mask = torch.zeros_like(photo[:, :1])
    mask[:, :, : size[0] // 2] = 1.0
    motion = torch.zeros_like(photo[:, :2])
    motion[:, 0] = speed
    return FixedScene("clip", photo, mask, motion, num_frames, 2 * num_frames)
