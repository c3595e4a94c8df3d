"""GAN training against discriminators on fixed feature maps (Projected GAN, Sauer et al. 2021)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stylecinegan.generator import Generator
from stylecinegan.generator.pyramid_discriminator import PyramidDiscriminator, SpectralWeights
from stylecinegan.losses.adversarial import discriminator_loss, generator_loss
from stylecinegan.tasks.sample_distance import SampleDistance, sample_pictures
from stylecinegan.training.augmentation import draw_numbers
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.update import Precision, Update

NUM_SAMPLES = 64
TRUNCATION = 0.7

Terms = dict[str, Tensor]

FeatureMaps = dict[str, list[Tensor]]
"""Feature maps of pictures by the name of the discriminator that classifies them."""


class FeatureGANTask(ABC):
    """Alternating updates of a generator and of discriminators on fixed feature maps.

    The losses are weighted sums of the discriminators' hinge losses. The discriminators are
    updated on the fakes of the generator's update.

    Args:
        network: The generator, or a network that contains it.
        trained: Weights of it that are trained.
        discriminators: Discriminators by name.
        learning_rate: Learning rate of Adam for the generator.
        discriminator_learning_rate: Learning rate of Adam for the discriminators.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Compute dtype of the networks.

    Attributes:
        distance: Fréchet distance of samples to photos.
    """

    distance: SampleDistance

    generator_weights: Mapping[str, float]
    """Weights of the discriminators in the generator's loss."""

    discriminator_weight: float
    """Weight of each discriminator in the discriminators' loss."""

    def __init__(
        self,
        network: nn.Module,
        trained: Sequence[nn.Parameter],
        discriminators: Mapping[str, PyramidDiscriminator],
        *,
        learning_rate: float,
        discriminator_learning_rate: float,
        ema_half_life: float,
        precision: Precision,
    ) -> None:
        self.discriminators = nn.ModuleDict(discriminators).to(memory_format=torch.channels_last)
        self.step_number = 0
        self._trained_network = network
        self._fake_maps: FeatureMaps = {}
        self._learning_rate = learning_rate
        critics = list(self.discriminators.parameters())
        settings = {"betas": (0.0, 0.99), "eps": 1e-8, "fused": True}
        self.generator_update, self.discriminator_update = (
            Update(weights, torch.optim.Adam(weights, rate, **settings), precision=precision)
            for weights, rate in (
                (list(trained), learning_rate),
                (critics, discriminator_learning_rate),
            )
        )
        self.averaged = ExponentialMovingAverage(network, half_life=ema_half_life)

    @abstractmethod
    def fake_maps(self, z: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of samples.

        Args:
            z: Latent codes, ``[B, style_dim]``.
            numbers: Random numbers of the augmentation, ``[B, …]``.
        """

    @abstractmethod
    def real_maps(self, image: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of photos ``[B, 3, S, S]``; ``numbers`` as in :meth:`fake_maps`."""

    @abstractmethod
    def averaged_generator(self) -> Generator:
        """The averaged generator, with its ``w_mean`` estimated again."""

    def sample(self, batch: Terms) -> Terms:
        """Samples of seeds 0 to 63 at truncation 0.7, ``[64, 3, R, R]``."""
        generator = self.averaged_generator()
        return {"samples": sample_pictures(generator, NUM_SAMPLES, truncation=TRUNCATION)}

    def measure(self) -> dict[str, float]:
        """Fréchet distance of samples to as many photos, over SqueezeNet's features."""
        return self.distance.measure_generator(self.averaged_generator())

    def generator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Hinge loss on samples, whose mixed maps are kept for the discriminators' update."""
        maps = self._mix(self.fake_maps(batch["z"], batch["numbers"]))
        self._fake_maps = {name: [x.detach() for x in mixed] for name, mixed in maps.items()}
        terms: Terms = {}
        total = torch.zeros((), device=batch["z"].device)
        for name, mixed in maps.items():
            with torch.no_grad():
                weights = self._normalised_weights(name)
            loss = generator_loss(self.discriminator(name)(mixed, weights), "hinge")
            terms[f"generator_{name}"] = loss
            total = total + self.generator_weights[name] * loss
        return total, terms

    def discriminator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Hinge loss on photos and on the samples of this step."""
        with torch.no_grad():
            maps = self._mix(self.real_maps(batch["image"], batch["numbers"]))
        terms: Terms = {}
        for name, mixed in maps.items():
            weights, discriminator = self._normalised_weights(name), self.discriminator(name)
            real = discriminator(mixed, weights)
            fake = discriminator(self._fake_maps[name], weights)
            terms[f"discriminator_{name}"] = discriminator_loss(real, fake, "hinge")
        return self.discriminator_weight * torch.stack(list(terms.values())).sum(), terms

    def discriminator(self, name: str) -> PyramidDiscriminator:
        """The discriminator of a name."""
        return cast(PyramidDiscriminator, self.discriminators[name])

    def calibrate(self, maps: FeatureMaps) -> None:
        """Initialises the discriminators' input scales from feature maps of photos."""
        for name, own in maps.items():
            self.discriminator(name).calibrate(own)

    def warm_up(self, num_steps: int) -> None:
        """Sets the generator's learning rate, which grows linearly over the first steps."""
        share = min(1.0, (self.step_number + 1) / num_steps)
        for group in self.generator_update.optimizer.param_groups:
            group["lr"] = self._learning_rate * share

    def update(self, image: Tensor, style_dim: int) -> Terms:
        """Updates generator, discriminators and average; returns the loss terms.

        Args:
            image: Photos, ``[B, 3, S, S]``.
            style_dim: Length of the samples' z.
        """
        count, device = len(image), image.device
        drawn = {
            "z": torch.randn(count, style_dim, device=device),
            "numbers": draw_numbers(count, device),
        }
        terms = self.generator_update(self.generator_loss, drawn)
        photos = {"image": image, "numbers": draw_numbers(count, device)}
        terms |= self.discriminator_update(self.discriminator_loss, photos)
        self.averaged.update(self._trained_network, count)
        self.step_number += 1
        return terms

    def state_dict(self) -> dict:
        """State of a resumable run, without that of the network."""
        return {
            "discriminators": self.discriminators.state_dict(),
            "averaged": self.averaged.state_dict(),
            "generator_update": self.generator_update.state_dict(),
            "discriminator_update": self.discriminator_update.state_dict(),
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        self.discriminators.load_state_dict(state["discriminators"])
        self.averaged.load_state_dict(state["averaged"])
        self.generator_update.load_state_dict(state["generator_update"])
        self.discriminator_update.load_state_dict(state["discriminator_update"])
        self.step_number = state["step"]

    def _mix(self, maps: FeatureMaps) -> FeatureMaps:
        return {name: self.discriminator(name).mix(own) for name, own in maps.items()}

    def _normalised_weights(self, name: str) -> list[SpectralWeights]:
        device = next(self.discriminators.parameters()).device
        with torch.autocast(device.type, enabled=False):
            return self.discriminator(name).normalised_weights()
