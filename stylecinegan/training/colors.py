"""Colours of one picture on another: what a change of appearance is taught with."""

import torch
from torch import Tensor

# Brightness, blue against yellow, red against green: orthonormal rows.
_OPPONENT = ((0.57735, 0.57735, 0.57735), (0.40825, 0.40825, -0.81650), (0.70711, -0.70711, 0.0))

GREATEST_STRETCH = 2.0
"""A picture of mist on one of high contrast, and the reverse, would be noise or flat."""


def transfer_colors(image: Tensor, other: Tensor, amount: Tensor | float = 1.0) -> Tensor:
    """Moves mean and spread of a picture's colours towards another's (Reinhard et al. 2001).

    Args:
        image: ``[B, 3, H, W]`` in [-1, 1].
        other: ``[B, 3, h, w]``, whose colours are taken.
        amount: How far: 0 is ``image`` itself, 1 all the way; a number or ``[B, 1, 1, 1]``.

    Returns:
        ``[B, 3, H, W]`` in [-1, 1]. Spreads grow or shrink at most twofold.
    """
    to_opponent = image.new_tensor(_OPPONENT)
    source, target = (torch.einsum("ij,bjhw->bihw", to_opponent, x) for x in (image, other))
    mean, target_mean = (x.mean(dim=(2, 3), keepdim=True) for x in (source, target))
    deviation, target_deviation = (x.std(dim=(2, 3), keepdim=True) for x in (source, target))
    stretch = target_deviation / deviation.clamp(min=1e-3)
    stretch = stretch.clamp(1.0 / GREATEST_STRETCH, GREATEST_STRETCH)
    moved = (source - mean) * (1.0 + amount * (stretch - 1.0))
    moved = moved + torch.lerp(mean, target_mean, torch.as_tensor(amount).to(mean))
    return torch.einsum("ij,bihw->bjhw", to_opponent, moved).clamp(-1.0, 1.0)
