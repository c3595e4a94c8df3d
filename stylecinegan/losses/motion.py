"""Losses of motion generation: end-point error and the adversarial terms of pix2pixHD."""

from collections.abc import Sequence

import torch
from torch import Tensor


def end_point_error(motion: Tensor, expected: Tensor, confidence: Tensor) -> Tensor:
    """End-point error ``Σ c |M - M*| / Σ c``, averaged over the batch.

    Args:
        motion: M, ``[B, 2, H, W]``.
        expected: M*, ``[B, 2, H, W]``.
        confidence: c, the confidence in the true motion, ``[B, 1, H, W]`` in [0, 1].

    Returns:
        Scalar, in the motion's unit.
    """
    # The gradient of the square root is infinite at 0.
    length = ((motion - expected).float().square().sum(dim=1, keepdim=True) + 1e-6).sqrt()
    weight = confidence.sum(dim=(1, 2, 3)).clamp(min=1e-3)
    return ((confidence * length).sum(dim=(1, 2, 3)) / weight).mean()


def least_squares(outputs: Sequence[Sequence[Tensor]], target: float) -> Tensor:
    """LSGAN loss ``E (D(x) - t)²`` (Mao et al. 2017), averaged over the scales.

    Args:
        outputs: Outputs of the discriminator's layers by scale, logits last.
        target: t, 1 for real, 0 for fake.
    """
    return torch.stack([(layers[-1].float() - target).square().mean() for layers in outputs]).mean()


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Feature-matching loss, the mean of ``|D_k^i(x) - D_k^i(x*)|`` (pix2pixHD, Eq. 4).

    The mean is over scales k and over layers i of the discriminator, except the logits.

    Args:
        fake: Outputs of the layers by scale, D(x), logits last; gradients flow into them.
        real: Likewise, the target D(x*).
    """
    differences = [
        (x.float() - y.detach().float()).abs().mean()
        for fakes, reals in zip(fake, real, strict=True)
        for x, y in zip(fakes[:-1], reals[:-1], strict=True)
    ]
    return torch.stack(differences).mean()
