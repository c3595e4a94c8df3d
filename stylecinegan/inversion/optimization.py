"""Inversion by optimisation: of a photo to w+ and D^10, or of a style image to w+ alone."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inputs import resize_photo
from stylecinegan.progress import tqdm

PERCEPTUAL_SIDE = 256
"""Resolution of the perceptual distance, as in StyleGAN2's projector."""


def refine_inversion(
    generator: Generator,
    image: Tensor,
    w_plus: Tensor,
    feature: Tensor,
    num_steps: int,
    *,
    learning_rate: float = 0.03,
) -> tuple[Tensor, Tensor]:
    """Refines an encoder's inversion by optimisation (hybrid inversion, the paper's ref. 16).

    Minimises the mean squared error ``|G(D^10, w+) - I|²`` over D^10 and w+ by Adam. The best step
    is kept, so the result is never worse than the start.

    Args:
        generator: The frozen generator.
        image: I, ``[1, 3, H, W]`` in [-1, 1], of the size that the generator renders D^10 to.
        w_plus: Latent codes, ``[1, num_styles, style_dim]``.
        feature: D^10, ``[1, C, h, w]``.
        num_steps: Steps; each costs about three passes through the layers after D^10.
        learning_rate: Learning rate of Adam for D^10, in its standard deviations; a tenth for w+.

    Returns:
        ``w_plus`` and D^10, float32.
    """
    w_plus, feature = w_plus.detach().float(), feature.detach().float()
    scale = float(feature.std())
    feature_offset = torch.zeros_like(feature).requires_grad_()
    code_offset = torch.zeros_like(w_plus).requires_grad_()
    optimizer = torch.optim.Adam(
        [
            {"params": [feature_offset], "lr": learning_rate},
            {"params": [code_offset], "lr": 0.1 * learning_rate},
        ],
        betas=(0.9, 0.95),
    )
    best, kept = float("inf"), (w_plus, feature)
    for step in tqdm(range(num_steps + 1), unit="step", desc="refine the inversion", leave=False):
        with torch.enable_grad():
            codes, content = w_plus + code_offset, feature + scale * feature_offset
            features = generator.features(codes, start=(FEATURE_LAYER, content))
            loss = (generator.render(features, codes) - image).square().mean()
        if loss.item() < best:
            best, kept = loss.item(), (codes.detach(), content.detach())
        if step < num_steps:
            feature_offset.grad, code_offset.grad = torch.autograd.grad(
                loss, [feature_offset, code_offset]
            )
            optimizer.step()
    return kept


def optimize_codes(
    generator: Generator,
    image: Tensor,
    start: Tensor,
    *,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    num_steps: int = 500,
    patience: int = 50,
    learning_rate: float = 0.05,
    pixel_weight: float = 1.0,
    noise_weight: float = 1e3,
) -> Tensor:
    """Optimises w+ to reconstruct a picture (Image2StyleGAN, Abdal et al. 2019).

    Minimises ``λ |G(w+) - I|² + perceptual(G(w+), I)`` from the constant input, without D^10. Noise
    maps are optimised too, with a penalty on their autocorrelation (StyleGAN2, App. D), so that the
    codes need not represent stochastic detail; they are not returned. The best step is kept. Stops
    early when the loss has fallen by less than 1 % within ``patience`` steps.

    Args:
        generator: The frozen generator.
        image: I, ``[1, 3, H, W]`` in [-1, 1]; resized to the generator's square.
        start: Initial codes, ``[1, num_styles, style_dim]``.
        perceptual: Distance of two pictures ``[1, 3, H, W]``, a scalar; ``None`` drops the term.
        num_steps: Steps at most.
        patience: Steps within which the loss must fall by 1 %.
        learning_rate: Learning rate of Adam.
        pixel_weight: λ.
        noise_weight: Weight of the noise penalty.

    Returns:
        ``[1, num_styles, style_dim]``, float32.
    """
    image = resize_photo(image, (generator.resolution, generator.resolution))
    codes = start.detach().float().clone().requires_grad_()
    noises = {
        name: noise.clone().requires_grad_()
        for name, noise in generator.named_buffers()
        if name.endswith(".noise") and bool(generator.get_parameter(f"{name}_strength").any())
    }
    optimizer = torch.optim.Adam([codes, *noises.values()], lr=learning_rate, betas=(0.9, 0.99))
    best, kept, milestone, last_fall = float("inf"), codes.detach(), float("inf"), 0
    bar = tqdm(range(num_steps + 1), unit="step", desc="optimise the style's codes", leave=False)
    for step in bar:
        with torch.enable_grad():
            picture = functional_call(generator, noises, (codes,))
            loss = pixel_weight * (picture - image).square().mean()
            if perceptual is not None:
                loss = loss + perceptual(_downsample(picture), _downsample(image))
            penalty = noise_weight * noise_penalty(list(noises.values())) if noises else 0.0
            total = loss + penalty
        if loss.item() < best:
            best, kept = loss.item(), codes.detach().clone()
        if best < 0.99 * milestone:
            milestone, last_fall = best, step
        bar.set_postfix(loss=f"{best:.4f}")
        if step == num_steps or step - last_fall >= patience:
            break
        optimizer.zero_grad()
        torch.autograd.backward(total, inputs=[codes, *noises.values()])
        optimizer.step()
        _normalize(noises)
    return kept


def noise_penalty(noises: Sequence[Tensor]) -> Tensor:
    """Sum of the squared autocorrelations of noise maps at lag 1, over axes and scales.

    Args:
        noises: Noise maps of mean 0 and variance 1, ``[1, 1, R, R]``.
    """
    total = noises[0].new_zeros(())
    for noise in noises:
        while True:
            for side in (2, 3):
                total = total + (noise * noise.roll(1, side)).mean().square()
            if noise.shape[2] <= 8:
                break
            # Twice the mean of four keeps the standard deviation.
            noise = 2.0 * F.avg_pool2d(noise, 2)
    return total


def _normalize(noises: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for noise in noises.values():
            noise.sub_(noise.mean()).div_(noise.std().clamp(min=1e-8))


def _downsample(image: Tensor) -> Tensor:
    """Downsamples to about :data:`PERCEPTUAL_SIDE` pixels."""
    factor = image.shape[2] // PERCEPTUAL_SIDE
    return F.avg_pool2d(image, factor) if factor > 1 else image
