"""Inversion of a photo by optimisation, from what the encoder gave."""

import torch
from torch import Tensor
from tqdm import tqdm

from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER


def refine_inversion(
    generator: Generator,
    image: Tensor,
    w_plus: Tensor,
    feature: Tensor,
    num_steps: int,
    *,
    learning_rate: float = 0.03,
) -> tuple[Tensor, Tensor]:
    """Brings the inversion of one photo closer to it (hybrid inversion, as in the paper's ref. 16).

    D^10 and the codes of the layers after it follow the gradient of the mean squared error (Adam).
    The result is never worse than the start: the best of all steps is kept.

    Args:
        generator: The frozen generator.
        image: The photo, ``[1, 3, H, W]`` in [-1, 1], as large as the generator makes it of D^10.
        w_plus: Latent codes, ``[1, num_styles, style_dim]``.
        feature: D^10, ``[1, C, h, w]``.
        num_steps: Steps; each costs about three passes through the layers after D^10.
        learning_rate: Of Adam, in units of the standard deviation of D^10; codes: a tenth.

    Returns:
        ``w_plus`` and D^10, float32.
    """
    w_plus, feature = w_plus.detach().float(), feature.detach().float()
    unit = float(feature.std())
    moved_feature, moved_codes = torch.zeros_like(feature), torch.zeros_like(w_plus)
    moved = [moved_feature.requires_grad_(), moved_codes.requires_grad_()]
    optimizer = torch.optim.Adam(
        [
            {"params": [moved[0]], "lr": learning_rate},
            {"params": [moved[1]], "lr": 0.1 * learning_rate},
        ],
        betas=(0.9, 0.95),
    )
    best, kept = float("inf"), (w_plus, feature)
    for step in tqdm(range(num_steps + 1), unit="step", desc="refine the inversion", leave=False):
        with torch.enable_grad():
            codes, content = w_plus + moved[1], feature + unit * moved[0]
            features = generator.features(codes, start=(FEATURE_LAYER, content))
            loss = (generator.render(features, codes) - image).square().mean()
        if loss.item() < best:
            best, kept = loss.item(), (codes.detach(), content.detach())
        if step < num_steps:
            gradients = torch.autograd.grad(loss, moved)
            for parameter, gradient in zip(moved, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
    return kept
