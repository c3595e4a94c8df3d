"""From a coarse probability of motion to a soft mask at the photo's size."""

import math

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.mask.guided_filter import guided_filter
from stylecinegan.mask.refinement import remove_small, soften

CAUTION = 0.6
"""Default of ``caution``, measured on photos of towns (docs/experiments/masks.md)."""

FULL_SIDE = 1024
"""Longer side at which the filter's coefficients are computed: wires must be seen."""


def moving_threshold(caution: float) -> float:
    """Probability from which on a pixel moves: ``0.5 + 0.5 caution``, at most 0.98.

    A decision at threshold t is that of least expected cost where a static pixel that moves costs
    t / (1 - t) times a moving one that is static.

    Args:
        caution: In [0, 1].

    Raises:
        InputError: If it is no number in [0, 1].
    """
    is_number = isinstance(caution, int | float) and not isinstance(caution, bool)
    if not is_number or not math.isfinite(caution) or not 0.0 <= caution <= 1.0:
        raise InputError(f"mask_caution must be a number in [0, 1], got {caution}")
    return min(0.5 + 0.5 * caution, 0.98)


@torch.no_grad()
def matte(
    probability: Tensor,
    photo: Tensor,
    *,
    caution: float = CAUTION,
    radius: float = 0.004,
    epsilon: float = 1e-3,
    edge_width: float = 0.003,
    speck_area: float = 0.001,
    hole_area: float = 2e-5,
) -> Tensor:
    """Makes a mask whose soft edges follow branches, spires and masts, bright or dark.

    The probability is filtered with the photo as guide (He et al. 2015) in windows small enough
    for thin things, and decided by cost (:func:`moving_threshold`).

    Every length is a share of the photo's longer side and every area one of the photo's, so that
    a photo gets the same mask at any size.

    Args:
        probability: Probability that a pixel moves, ``[1, 1, h, w]`` in [0, 1], of any size.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        caution: 0 moves what more likely moves than not, 1 only what is certain to.
        radius: Half the side of the filter's window.
        epsilon: Variance of the photo, in [0, 1]² units, below which a window counts as flat.
        edge_width: Width of the soft edge.
        speck_area: Moving islands below this area become static.
        hole_area: Static holes below this area move: they are noise.

    Returns:
        S, ``[1, 1, H, W]`` in [0, 1].

    Raises:
        InputError: If the shapes are no probability and photo, or the caution is out of range.
    """
    if photo.ndim != 4 or photo.shape[:2] != (1, 3):
        raise InputError(f"a photo must be [1, 3, H, W], got {list(photo.shape)}")
    if probability.ndim != 4 or probability.shape[:2] != (1, 1):
        raise InputError(f"a probability must be [1, 1, h, w], got {list(probability.shape)}")
    threshold = moving_threshold(caution)
    guide = (photo.float() + 1.0) / 2.0
    filtered = guided_filter(
        probability, guide, radius=radius, epsilon=epsilon, working_side=FULL_SIDE
    )
    moves = (filtered[0, 0] > threshold).cpu().numpy()
    moves = remove_small(moves, speck_area)
    moves = ~remove_small(~moves, hole_area)
    width = edge_width * max(photo.shape[2:])
    # The ramp lies inside the moving side: what is static is so up to its very edge.
    return soften(moves, width=width, grow=-0.5 * width).to(photo.device)
