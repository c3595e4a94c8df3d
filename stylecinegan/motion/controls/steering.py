"""Rotation of a predicted motion to a direction.

Vectors are complex numbers x + iy, so that multiplication by a number of length 1 is a rotation.
"""

import torch
from torch import Tensor


def steer(motion: Tensor, direction: complex | Tensor, region: Tensor, near: Tensor) -> Tensor:
    """Rotates the motion of a region as a whole to a direction; speeds are kept.

    With a = |Σ M| / Σ |M| the agreement of the vectors M, r the rotation that fits them to the
    direction d (weighted least squares), the result is ``a r M + (1 - a) |M| d``: variations of
    direction are kept as far as there is a common one.

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
    # r of the docstring.
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
    """Replaces a zero motion of a region by the median speed of the others, to be rotated.

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
