"""Turning a predicted motion into the direction that a user wants.

Motion is a complex number here, x + iy: to multiply by a number of length 1 is to turn.
"""

import torch
from torch import Tensor


def steer(motion: Tensor, direction: complex | Tensor, region: Tensor, near: Tensor) -> Tensor:
    """Turns the motion of a region as a whole.

    The prediction's bends and speeds are kept as far as it agrees with itself: of a field whose
    vectors cancel each other only the speeds remain, and all of them point in the direction.

    Args:
        motion: ``[H, W]``, complex.
        direction: Wanted direction, of length 1; one for all or one a pixel, ``[H, W]``.
        region: Where the motion is turned, boolean ``[H, W]``.
        near: Weight with which a place decides what is turned to the direction, ``[H, W]``.

    Returns:
        ``[H, W]``, complex, meaningful in the region.
    """
    inside = motion[region]
    agreement = inside.sum().abs() / inside.abs().sum().clamp(min=1e-12)
    wanted = direction if isinstance(direction, Tensor) else torch.full_like(motion, direction)
    # The turn that takes the motion to the direction best where it counts (least squares).
    turn = ((motion.conj() * wanted) * near)[region].sum()
    turn = turn / turn.abs().clamp(min=1e-12)
    return agreement * (motion * turn) + (1.0 - agreement) * (motion.abs() * wanted)


def as_complex(motion: Tensor) -> Tensor:
    """Takes ``[1, 2, H, W]`` to complex ``[H, W]``."""
    return torch.complex(motion[0, 0].float(), motion[0, 1].float())


def as_vectors(motion: Tensor) -> Tensor:
    """Takes complex ``[H, W]`` to ``[1, 2, H, W]``."""
    return torch.stack([motion.real, motion.imag])[None]


def fill_still(motion: Tensor, region: Tensor) -> Tensor:
    """Gives a region that the prediction leaves at rest the usual speed, so that it can be turned.

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
