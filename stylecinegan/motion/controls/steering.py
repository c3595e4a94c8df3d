"""Turning of a predicted motion to a direction.

Motion is complex here, x + iy: multiplication by a unit number is a rotation.
"""

import torch
from torch import Tensor


def steer(motion: Tensor, direction: complex | Tensor, region: Tensor, near: Tensor) -> Tensor:
    """Turns the motion of a region as a whole.

    Its variations of direction are kept as far as it has a common one: where the vectors cancel
    each other, all of them get the wanted direction. Speeds are kept.

    Args:
        motion: ``[H, W]``, complex.
        direction: Wanted direction, of length 1; one for all or one a pixel, ``[H, W]``.
        region: Where the motion is turned, boolean ``[H, W]``.
        near: Weight of each pixel in the fit of the rotation, ``[H, W]``.

    Returns:
        ``[H, W]``, complex, meaningful in the region.
    """
    inside = motion[region]
    agreement = inside.sum().abs() / inside.abs().sum().clamp(min=1e-12)
    wanted = direction if isinstance(direction, Tensor) else torch.full_like(motion, direction)
    # The rotation that fits the motion to the direction (weighted least squares).
    turn = ((motion.conj() * wanted) * near)[region].sum()
    turn = turn / turn.abs().clamp(min=1e-12)
    return agreement * (motion * turn) + (1.0 - agreement) * (motion.abs() * wanted)


def as_complex(motion: Tensor) -> Tensor:
    """Converts ``[1, 2, H, W]`` to complex ``[H, W]``."""
    return torch.complex(motion[0, 0].float(), motion[0, 1].float())


def as_vectors(motion: Tensor) -> Tensor:
    """Converts complex ``[H, W]`` to ``[1, 2, H, W]``."""
    return torch.stack([motion.real, motion.imag])[None]


def fill_still(motion: Tensor, region: Tensor) -> Tensor:
    """Gives a region of zero motion the median speed, so that it can be turned.

    Args:
        motion: ``[H, W]``, complex.
        region: Boolean, ``[H, W]``.

    Returns:
        ``[H, W]``, complex.
    """
    if bool((motion[region] != 0).any()):
        return motion
    speeds = motion.abs()
    usual = speeds[speeds > 0].median() if bool((speeds > 0).any()) else speeds.new_ones(())
    return torch.where(region, usual.to(motion.dtype), motion)
