"""Adversarial training of the generator's layers up to 32 pixels (Projected GAN)."""

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.backbones.efficientnet import EfficientNet, load_imagenet_weights
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.layers import ToRGB
from stylecinegan.generator.pyramid_discriminator import PyramidDiscriminator, SpectralWeights
from stylecinegan.generator.stylegan2 import layer_resolution, partial_sums
from stylecinegan.losses.adversarial import (
    SqueezeNetFeatures,
    discriminator_loss,
    generator_loss,
)
from stylecinegan.metrics.frechet import FeatureStatistics
from stylecinegan.training.augmentation import augment, draw_numbers
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.update import Precision, Update

Terms = dict[str, Tensor]

LAST_LAYER = 8
NUM_SAMPLES = 64
NUM_MEASURED = 1000
TRUNCATION = 0.7
_VIEW_SIDE = 64  # of the discriminators' input: their networks see little in 32 pixels
_RGB_LAYERS = (4, 6, 8)
_SAMPLE_BATCH = 50


class LayoutGAN(nn.Module):
    """Layers 2 to 8 of a generator with to-RGB layers of their own at 8, 16 and 32 pixels.

    Args:
        generator: The generator; its later layers are not used.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        self.to_rgbs = nn.ModuleDict(
            {
                str(layer): ToRGB(generator.channels[layer_resolution(layer)], generator.style_dim)
                for layer in _RGB_LAYERS
            }
        )

    def forward(self, w: Tensor, *, use_fresh_noise: bool = False) -> Tensor:
        """Pictures of codes ``[B, style_dim]``, ``[B, 3, 32, 32]``, about [-1, 1]."""
        w_plus = self.generator.repeat_w(w)
        features = self.generator.features(w_plus, last=LAST_LAYER, use_fresh_noise=use_fresh_noise)
        return partial_sums(
            {layer: self.to_rgbs[str(layer)](features[layer], w) for layer in _RGB_LAYERS}
        )[-1]

    def trained(self) -> list[nn.Parameter]:
        """Weights that have an effect on the pictures."""
        lower = [p for name, p in self.generator.named_parameters() if _is_of_layout(name)]
        return lower + list(self.to_rgbs.parameters())


class LayoutGANTask:
    """Trains mapping network and layers 2 to 8 against discriminators on fixed features.

    A picture of 32 pixels costs about a tenth of one of 256, so that a CPU gets through more of
    them to learn where sky, ground and water go; the layers after it are then trained from there
    (``layout`` of :class:`~stylecinegan.tasks.projected_gan.ProjectedGANTask`).

    The discriminators see the picture at 64 pixels, by features of EfficientNet-Lite0 and of
    SqueezeNet. A step updates them on the fakes of the generator's update.

    Args:
        generator: The generator to train.
        trunk: ImageNet weights of EfficientNet-Lite0.
        feature_weights: ImageNet weights of SqueezeNet, ``.npz``.
        width: Channels of the mixed feature maps.
        learning_rate: Learning rate of Adam for the generator.
        discriminator_learning_rate: Learning rate of Adam for the discriminators.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Compute dtype of the networks.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        trunk: str | Path,
        feature_weights: str | Path,
        width: int = 64,
        learning_rate: float = 2.5e-3,
        discriminator_learning_rate: float = 4e-4,
        ema_half_life: float = 10_000.0,
        precision: Precision = "fp32",
    ) -> None:
        self.network = LayoutGAN(generator).to(memory_format=torch.channels_last)
        efficientnet = EfficientNet()
        load_imagenet_weights(efficientnet, trunk)
        squeezenet = SqueezeNetFeatures(feature_weights, ("fire3", "fire5", "fire9"))
        self.trunks = nn.ModuleDict({"lite": efficientnet, "squeeze": squeezenet})
        self.trunks.requires_grad_(False).to(memory_format=torch.channels_last)
        sides = [_VIEW_SIDE // 4, _VIEW_SIDE // 8, _VIEW_SIDE // 16]
        self.discriminators = nn.ModuleDict(
            {
                "lite": PyramidDiscriminator(EfficientNet.num_channels, sides, width=width),
                "squeeze": PyramidDiscriminator((128, 256, 512), sides, width=width),
            }
        ).to(memory_format=torch.channels_last)
        self.step_number = 0
        self._real: FeatureStatistics | None = None
        self._num_real = 0
        self._fake_maps: dict[str, list[Tensor]] = {}

        trained, critics = self.network.trained(), list(self.discriminators.parameters())
        settings = {"betas": (0.0, 0.99), "eps": 1e-8, "fused": True}
        self.generator_update, self.discriminator_update = (
            Update(weights, torch.optim.Adam(weights, rate, **settings), precision=precision)
            for weights, rate in (
                (trained, learning_rate),
                (critics, discriminator_learning_rate),
            )
        )
        self.averaged = ExponentialMovingAverage(self.network, half_life=ema_half_life)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        for module in (self.network, self.trunks, self.discriminators, self.averaged):
            module.to(device)

    def step(self, batch: Terms) -> Terms:
        """Updates the networks on ``{"image": [B, 3, 32, 32]}``; returns the terms."""
        image, device = batch["image"], batch["image"].device
        if self.step_number == 0:
            with torch.no_grad():
                for name, maps in self._maps(_enlarge(image)).items():
                    self._discriminator(name).calibrate(maps)
        self._add_statistics(image)
        drawn = {
            "z": torch.randn(len(image), self.network.generator.style_dim, device=device),
            "numbers": draw_numbers(len(image), device),
        }
        terms = self.generator_update(self.generator_loss, drawn)
        photos = {"image": image, "numbers": draw_numbers(len(image), device)}
        terms |= self.discriminator_update(self.discriminator_loss, photos)
        self.averaged.update(self.network, len(image))
        self.step_number += 1
        return terms

    def generator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Adversarial loss on samples, whose mixed maps are kept for the discriminators' update."""
        with torch.autocast(batch["z"].device.type, enabled=False):
            w = self.network.generator.mapping(batch["z"])
        maps = self._mixed_maps(self.network(w, use_fresh_noise=True), batch["numbers"])
        self._fake_maps = {name: [x.detach() for x in mixed] for name, mixed in maps.items()}
        terms: Terms = {}
        for name, mixed in maps.items():
            with torch.no_grad():
                weights = self._spectral(name)
            logits = self._discriminator(name)(mixed, weights)
            terms[f"generator_{name}"] = generator_loss(logits, "hinge")
        return torch.stack(list(terms.values())).mean(), terms

    def discriminator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Hinge loss on photos and on the samples of this step."""
        with torch.no_grad():
            maps = self._mixed_maps(batch["image"], batch["numbers"])
        terms: Terms = {}
        for name, mixed in maps.items():
            weights, discriminator = self._spectral(name), self._discriminator(name)
            real = discriminator(mixed, weights)
            fake = discriminator(self._fake_maps[name], weights)
            terms[f"discriminator_{name}"] = discriminator_loss(real, fake, "hinge")
        return torch.stack(list(terms.values())).mean(), terms

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {
            "network": self.network.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "averaged": self.averaged.state_dict(),
            "generator_update": self.generator_update.state_dict(),
            "discriminator_update": self.discriminator_update.state_dict(),
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        self.network.load_state_dict(state["network"])
        self.discriminators.load_state_dict(state["discriminators"])
        self.averaged.load_state_dict(state["averaged"])
        self.generator_update.load_state_dict(state["generator_update"])
        self.discriminator_update.load_state_dict(state["discriminator_update"])
        self.step_number = state["step"]

    def export(self, directory: Path) -> None:
        """Writes the averaged generator, whose layers after 8 are untrained: ``layout.…``."""
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "layout_gan", "step": str(self.step_number)}
        generator = self._averaged_network().generator
        checkpoints.save(directory / "layout.safetensors", generator, notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Samples of seeds 0 to 63 at truncation 0.7, enlarged to ``[64, 3, 64, 64]``."""
        network = self._averaged_network()
        codes = [
            network.generator.sample_w_plus(seed, truncation=TRUNCATION)[:, 0]
            for seed in range(NUM_SAMPLES)
        ]
        return {"samples": _enlarge(network(torch.cat(codes))).clamp(-1.0, 1.0)}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Fréchet distance of 1,000 samples to as many photos, SqueezeNet's features at 64 px."""
        if self._real is None or self._num_real < NUM_MEASURED:
            return {}
        network = self._averaged_network()
        drawn = torch.Generator().manual_seed(0)
        fake = FeatureStatistics(self.trunks["squeeze"])
        for _ in range(NUM_MEASURED // _SAMPLE_BATCH):
            z = torch.randn(_SAMPLE_BATCH, network.generator.style_dim, generator=drawn)
            w = network.generator.mapping(z.to(network.generator.w_mean.device))
            fake.add(_enlarge(network(w).clamp(-1.0, 1.0)))
        return {"frechet": self._real.distance(fake)}

    def _averaged_network(self) -> LayoutGAN:
        network = cast(LayoutGAN, self.averaged.module)
        network.generator.estimate_w_mean()
        return network

    @torch.no_grad()
    def _add_statistics(self, image: Tensor) -> None:
        """Adds to the statistics of the first photos, the reference of the Fréchet distance."""
        if self._num_real < NUM_MEASURED:
            self._real = self._real or FeatureStatistics(self.trunks["squeeze"])
            shown = image[: NUM_MEASURED - self._num_real]
            self._real.add(_enlarge(shown))
            self._num_real += len(shown)

    def _mixed_maps(self, picture: Tensor, numbers: Tensor) -> dict[str, list[Tensor]]:
        """Mixed feature maps of augmented pictures by discriminator."""
        maps = self._maps(augment(_enlarge(picture), numbers))
        return {name: self._discriminator(name).mix(maps[name]) for name in maps}

    def _maps(self, view: Tensor) -> dict[str, list[Tensor]]:
        view = view.contiguous(memory_format=torch.channels_last)
        return {name: trunk(view) for name, trunk in self.trunks.items()}

    def _discriminator(self, name: str) -> PyramidDiscriminator:
        return cast(PyramidDiscriminator, self.discriminators[name])

    def _spectral(self, name: str) -> list[SpectralWeights]:
        device = self.network.generator.constant.device
        with torch.autocast(device.type, enabled=False):
            return self._discriminator(name).normalised_weights()


def load_layout(path: str | Path, generator: Generator) -> None:
    """Loads mapping network, constant and layers 2 to 8 of an export of :class:`LayoutGANTask`.

    Raises:
        InputError: If the file is of a generator with other arguments.
    """
    found = checkpoints.load(path, Generator)
    if found.arguments != generator.arguments:
        raise InputError(
            f"wanted the layout of a generator with {generator.arguments}, found {found.arguments} "
            f"in {path}"
        )
    lower = {name: t for name, t in found.state_dict().items() if _is_of_layout(name)}
    generator.load_state_dict({**generator.state_dict(), **lower})


def _is_of_layout(name: str) -> bool:
    parts = name.split(".")
    if parts[0] == "convs":
        return int(parts[1]) <= LAST_LAYER
    return parts[0] in ("mapping", "constant", "w_mean")


def _enlarge(picture: Tensor) -> Tensor:
    return F.interpolate(picture, (_VIEW_SIDE, _VIEW_SIDE), mode="bilinear")
