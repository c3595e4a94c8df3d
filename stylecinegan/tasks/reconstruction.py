"""Reconstruction of photos from w+ alone, as a further loss of the generator's training."""

from typing import cast

import torch
from torch import Tensor, nn

from stylecinegan.generator import Generator
from stylecinegan.generator.layers import EqualizedLinear
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.losses.adversarial import (
    SqueezeNetFeatures,
    energy_distance,
    moment_distance,
    perceptual_distance,
)
from stylecinegan.training import distributed

Terms = dict[str, Tensor]

_NUM_SAMPLES = 256  # of w, per distance
_FEWEST_FOR_MOMENTS = 64
_NUM_CODES = 512  # of recent photos, as a batch is too small to estimate a distribution


class Reconstruction:
    """Codes of photos and the losses of their reconstructions.

    Samples improve only if the mapping network's w are distributed like the encoder's codes. So a
    distance of the two distributions is minimised, and every second photo is reconstructed from the
    mean of its codes, a single w like that of a sample, instead of w+.

    The mapping network is trained by that distance alone: with the adversarial loss, all samples
    collapsed to a few codes within 1,000 steps.

    Attributes:
        codes: Mean codes of recent photos, ``[at most 512, style_dim]``; part of a run's state.

    Args:
        encoder: Computes the codes and the target D^10.
        features: Feature network of the perceptual term; ``None`` drops the term.
        num_codes: Number of codes that have an effect, from the first on.
    """

    def __init__(
        self,
        encoder: FeatureStyleEncoder,
        features: SqueezeNetFeatures | None,
        *,
        num_codes: int,
    ) -> None:
        self.encoder = encoder
        self.features = features
        self.num_codes = num_codes
        self.codes = torch.zeros(0, encoder.w_mean.shape[0])

    def invert(self, photo: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Computes ``w_plus``, D^10 and the distance of the codes to the generator's."""
        codes, target = self.encoder(photo)
        codes = codes.float()
        mean = codes[:, : self.num_codes].mean(dim=1)
        recent = torch.cat([mean, self.codes.to(mean)])
        distance = _code_distance(recent, generator.mapping)
        self.codes = recent[:_NUM_CODES].detach()
        is_even = (torch.arange(len(codes), device=codes.device) % 2 == 0).view(-1, 1, 1)
        return torch.where(is_even, mean.unsqueeze(1), codes), target.detach(), distance

    def compare(self, feature: Tensor, target: Tensor, picture: Tensor, photo: Tensor) -> Terms:
        """Computes the errors of D^10, in units of its variance, and of the picture."""
        target = target.float()
        terms = {
            "feature": (feature.float() - target).square().mean() / target.var(),
            "pixel": (picture - photo).abs().mean(),
        }
        if self.features is not None:
            terms["perceptual"] = perceptual_distance(self.features, picture, photo)
        return terms


def fit_mapping(mapping: nn.Module, codes: Tensor, *, num_steps: int = 1500) -> None:
    """Fits the distribution of w to the encoder's codes, more closely than training steps do.

    The codes drift during training, and the mapping network lags behind.

    Args:
        mapping: The mapping network, trained in place.
        codes: The latest mean codes, ``[N, style_dim]``.
        num_steps: Steps of Adam, about 0.03 s each.
    """
    parameters = list(mapping.parameters())
    optimizer = torch.optim.Adam(parameters, 0.3, betas=(0.0, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(0)
        for _ in range(num_steps):
            gradients = torch.autograd.grad(_code_distance(codes, mapping), parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
            schedule.step()
    for parameter in parameters:
        parameter.grad = None


def _code_distance(codes: Tensor, mapping: nn.Module) -> Tensor:
    z = torch.randn(_NUM_SAMPLES, codes.shape[1], device=codes.device)
    with torch.autocast(codes.device.type, enabled=False):
        sampled = mapping(z)
    distance = energy_distance(codes, sampled)
    if len(codes) > _FEWEST_FOR_MOMENTS:
        distance = distance + moment_distance(codes, sampled)
    return distance


@torch.no_grad()
def fix_top_codes(generator: Generator, encoder: FeatureStyleEncoder, image: Tensor) -> None:
    """Makes the layers after D^10 independent of their codes, fixed to the encoder's mean codes.

    Layers that were trained as a decoder depend on the encoder's codes, which hardly vary between
    photos; other codes degrade the picture, and the mean codes invert photos as well or better. So
    the modulation of the mean becomes its bias, ``b ← A w_mean + b``, and its weight A becomes 0.

    Args:
        generator: Changed in place.
        encoder: Computes the codes.
        image: Photos to average the codes over.
    """
    w_mean = distributed.average_(encoder(image)[0].mean(dim=0))
    modules: list[tuple[int, nn.Module]] = []
    modules += [(int(layer) - 2, module) for layer, module in generator.convs.items()]
    modules += [(int(layer) - 1, module) for layer, module in generator.to_rgbs.items()]
    for index, module in modules:
        if index >= FEATURE_LAYER - 1:
            modulation = cast(EqualizedLinear, module.get_submodule("conv.modulation"))
            modulation.bias.copy_(modulation(w_mean[index]))
            modulation.weight.zero_()
