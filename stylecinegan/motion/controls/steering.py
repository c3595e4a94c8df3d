"""Rotation of a predicted motion to a direction.

Vectors are complex numbers x + iy, so that multiplication by a number of length 1 is a rotation.
"""

import torch
from torch import Tensor

from stylecinegan.motion.vectors import median_speed


def steer(motion: Tensor, direction: complex | Tensor, region: Tensor, near: Tensor) -> Tensor:
    """Rotates the motion of a region as a whole to a direction; speeds are kept.

    The result is ``a r M + (1 - a) |M| d``, where a = |Σ M| / Σ |M| is the agreement of the vectors
    M and r the rotation that fits them to the direction d (weighted least squares). The more the
    vectors agree, the more of their variation in direction is kept.

    Args:
        motion: ``[H, W]``, complex.
        direction: d, of length 1, a number or ``[H, W]``.
        region: The region, boolean ``[H, W]``.
        near: Weights of the pixels in the fit, ``[H, W]``.

    Returns:
        ``[H, W]``, complex, valid in the region.
    """
    inside = motion[region]
    agreement = inside.sum().abs() / inside.abs().sum().clamp(min=1e-12)
    wanted = direction if isinstance(direction, Tensor) else torch.full_like(motion, direction)
    rotation = ((motion.conj() * wanted) * near)[region].sum()
    rotation = rotation / rotation.abs().clamp(min=1e-12)
    return agreement * (motion * rotation) + (1.0 - agreement) * (motion.abs() * wanted)


def as_complex(motion: Tensor) -> Tensor:
    """Converts ``[1, 2, H, W]`` to complex ``[H, W]``."""
    return torch.complex(motion[0, 0].float(), motion[0, 1].float())


def as_vectors(motion: Tensor) -> Tensor:
    """Converts complex ``[H, W]`` to ``[1, 2, H, W]``."""
    return torch.stack([motion.real, motion.imag])[None]


def fill_static(motion: Tensor, region: Tensor) -> Tensor:
    """Sets a region without motion to the median speed elsewhere, rightwards, to be rotated.

    Args:
        motion: ``[H, W]``, complex.
        region: Boolean, ``[H, W]``.

    Returns:
        ``[H, W]``, complex.
    """
    if bool((motion[region] != 0).any()):
        return motion
    return torch.where(region, median_speed(motion.abs()).to(motion.dtype), motion)
