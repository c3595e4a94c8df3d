"""Loss terms of motion generation: those of pix2pixHD, and the end-point error."""

from collections.abc import Sequence

import torch
from torch import Tensor


def end_point_error(motion: Tensor, expected: Tensor, confidence: Tensor) -> Tensor:
    """Mean length of the difference vectors, weighted by how well the truth is known.

    Args:
        motion: ``[B, 2, H, W]``.
        expected: ``[B, 2, H, W]``.
        confidence: ``[B, 1, H, W]`` in [0, 1]; every picture counts alike.

    Returns:
        Scalar, in the motion's unit.
    """
    # The root's slope is infinite at 0.
    length = ((motion - expected).float().square().sum(dim=1, keepdim=True) + 1e-6).sqrt()
    weight = confidence.sum(dim=(1, 2, 3)).clamp(min=1e-3)
    return ((confidence * length).sum(dim=(1, 2, 3)) / weight).mean()


def least_squares(judged: Sequence[Sequence[Tensor]], wanted: float) -> Tensor:
    """The adversarial loss of LSGAN (Mao et al. 2017), mean over the scales.

    Args:
        judged: Outputs of the discriminator's layers by scale, logits last.
        wanted: 1 for real, 0 for fake.
    """
    return torch.stack([(layers[-1].float() - wanted).square().mean() for layers in judged]).mean()


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of the discriminator's features (pix2pixHD, Eq. 4).

    Args:
        fake: Outputs of the layers by scale; gradients flow into them.
        real: Likewise, the target.
    """
    differences = [
        (x.float() - y.detach().float()).abs().mean()
        for fakes, reals in zip(fake, real, strict=True)
        for x, y in zip(fakes[:-1], reals[:-1], strict=True)
    ]
    return torch.stack(differences).mean()
