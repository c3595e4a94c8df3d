"""Adversarial, perceptual and distribution losses of the training tasks."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.backbones.squeezenet import SqueezeNet, load_imagenet_weights
from stylecinegan.errors import InputError

AdversarialKind = Literal["logistic", "hinge"]

SQUEEZENET_STAGES = ("conv1", "fire3", "fire5", "fire7", "fire9")


class SqueezeNetFeatures(SqueezeNet):
    """Frozen ImageNet features of SqueezeNet 1.0, whose weights are not in the state dict.

    Used instead of VGG in the perceptual loss and the projected discriminator. A distance of these
    features is not LPIPS.

    Args:
        path: ``.npz`` of the weights: ``conv1.weight``, ``fire2.squeeze1x1.weight``, …
        stages: Layers whose outputs are returned, in order.

    Raises:
        InputError: If the file is missing or lacks a weight.
    """

    def __init__(
        self, path: str | Path, stages: Sequence[str] = ("conv1", "fire3", "fire5", "fire9")
    ) -> None:
        if unknown := set(stages) - set(SQUEEZENET_STAGES):
            raise InputError(f"stages must be of {SQUEEZENET_STAGES}, got {sorted(unknown)}")
        super().__init__(max(int(stage[-1]) for stage in stages))
        load_imagenet_weights(self, path)
        self.stages = tuple(stages)
        for module in list(self.modules()):
            for name, parameter in list(module.named_parameters(recurse=False)):
                delattr(module, name)
                module.register_buffer(name, parameter.detach(), persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:  # pyright: ignore
        """Computes the features of ``[B, 3, H, W]`` in [-1, 1], one map per stage."""
        maps = super().forward(image)
        return [maps[stage] for stage in self.stages]


def perceptual_distance(features: nn.Module, actual: Tensor, expected: Tensor) -> Tensor:
    """Mean squared distance of normalised feature vectors, averaged over the stages of a network.

    ``mean_l mean_p |f_l(x)_p / |f_l(x)_p| - f_l(y)_p / |f_l(y)_p||²`` over stages l, positions p.

    Args:
        features: Maps pictures to a list of feature maps, e.g. :class:`SqueezeNetFeatures`.
        actual: ``[B, 3, H, W]`` in [-1, 1]; gradients flow into it.
        expected: Likewise, the target.

    Returns:
        Scalar, 0 for equal pictures.
    """
    with torch.no_grad():
        targets = [F.normalize(f, dim=1, eps=1e-5) for f in features(expected)]
    distances = [
        (F.normalize(f, dim=1, eps=1e-5) - target).square().sum(dim=1).mean()
        for f, target in zip(features(actual), targets, strict=True)
    ]
    return torch.stack(distances).mean()


def pyramid_error(images: Sequence[Tensor], image: Tensor) -> Tensor:
    """Mean absolute error of the coarser partial sums of the to-RGB layers.

    Makes every to-RGB output a frequency band of the picture, as warping at its own resolution
    requires.

    Args:
        images: The partial sums, coarse to fine, ``[B, 3, r, r]``; the last is ignored.
        image: The picture, ``[B, 3, H, W]``, which is downsampled to their sizes.
    """
    errors = [
        (partial - F.interpolate(image, partial.shape[2:], mode="bilinear", antialias=True)).abs()
        for partial in images[:-1]
    ]
    return torch.stack([error.mean() for error in errors]).mean()


def generator_loss(fake: Sequence[Tensor], kind: AdversarialKind) -> Tensor:
    """Adversarial loss of the generator, averaged over the heads of the discriminator.

    ``E softplus(-D(G(z)))`` (non-saturating logistic, StyleGAN2) or ``-E D(G(z))`` (hinge).

    Args:
        fake: Logits of generated pictures by head, any shape, larger is more real.
        kind: ``"logistic"`` or ``"hinge"``.
    """
    losses = [F.softplus(-x) if kind == "logistic" else -x for x in fake]
    return torch.stack([loss.float().mean() for loss in losses]).mean()


def discriminator_loss(
    real: Sequence[Tensor], fake: Sequence[Tensor], kind: AdversarialKind
) -> Tensor:
    """Adversarial loss of the discriminator (arguments as of :func:`generator_loss`).

    ``E softplus(-D(x)) + E softplus(D(G(z)))`` (logistic) or
    ``E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))`` (hinge).
    """
    function = F.softplus if kind == "logistic" else _hinge
    losses = [
        function(-x).float().mean() + function(y).float().mean()
        for x, y in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def _hinge(x: Tensor) -> Tensor:
    return F.relu(1.0 + x)


def gradient_penalty(logits: Sequence[Tensor], image: Tensor) -> Tensor:
    """R1 penalty ``E |∇D(x)|²`` (Mescheder et al. 2018).

    Args:
        logits: Computed from ``image``, one tensor per head, first dimension B.
        image: ``[B, 3, H, W]``, requires a gradient.
    """
    total = torch.stack([x.sum() for x in logits]).sum()
    (gradient,) = torch.autograd.grad(total, image, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def path_lengths(image: Tensor, w_plus: Tensor) -> Tensor:
    """Path lengths ``|J_w^T y|`` for normally distributed pictures y (StyleGAN2, Sec. 3.2).

    Args:
        image: ``[B, 3, H, W]``, computed from ``w_plus``.
        w_plus: ``[B, num_styles, style_dim]``, requires a gradient.

    Returns:
        ``[B]``, differentiable.
    """
    noise = torch.randn_like(image) / math.sqrt(image.shape[2] * image.shape[3])
    (gradient,) = torch.autograd.grad((image * noise).sum(), w_plus, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def energy_distance(first: Tensor, second: Tensor) -> Tensor:
    """Energy distance of two distributions (Székely and Rizzo 2013).

    ``2 E|x - y| - E|x - x'| - E|y - y'|``: zero only for equal distributions, and unbiased for two
    samples or more, so a batch suffices.

    Args:
        first: ``[M, D]``.
        second: ``[N, D]``.
    """
    return 2.0 * torch.cdist(first, second).mean() - _spread(first) - _spread(second)


def moment_distance(first: Tensor, second: Tensor) -> Tensor:
    """Distance of means and covariances, ``|μ - μ'|² + |Σ - Σ'|_F``.

    In high dimensions the energy distance is insensitive to the covariance.

    Args:
        first: ``[M, D]``, two or more.
        second: ``[N, D]``, two or more.
    """
    means = (first.mean(dim=0) - second.mean(dim=0)).square().sum()
    return means + torch.linalg.matrix_norm(torch.cov(first.t()) - torch.cov(second.t()))


def _spread(x: Tensor) -> Tensor:
    """Mean distance of two different samples, 0 for a single one."""
    return torch.cdist(x, x).sum() / (len(x) * max(len(x) - 1, 1))
