"""Adversarial training of the generator up to D^10 through a fixed top (Projected GAN)."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.backbones.efficientnet import EfficientNet, load_imagenet_weights
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.layers import ModulatedConv
from stylecinegan.generator.pyramid_discriminator import PyramidDiscriminator, SpectralWeights
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, last_layer, layer_resolution
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.losses.adversarial import (
    SqueezeNetFeatures,
    discriminator_loss,
    generator_loss,
)
from stylecinegan.metrics.frechet import FeatureStatistics
from stylecinegan.tasks.generator_setup import load_weights
from stylecinegan.tasks.layout_gan import load_layout
from stylecinegan.training.augmentation import augment, draw_numbers
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.run_log import save_grid
from stylecinegan.training.update import Precision, Update

logger = logging.getLogger(__name__)

Terms = dict[str, Tensor]

NUM_SAMPLES = 64
NUM_MEASURED = 2000
TRUNCATION = 0.7
_SAMPLE_BATCH = 50
_WHITENING_FLOOR = 0.02  # of the mean eigenvalue: does not amplify directions of low variance


class ProjectedGANTask:
    """Trains mapping network and layers up to D^10 against discriminators on fixed features.

    The encoder and the layers after D^10 are frozen, so inversions and masks do not change. The
    frozen layers were trained on the encoder's D^10, whose mean and covariance the generator is
    initialised to (:class:`~stylecinegan.generator.layers.FeatureProjection`).

    Discriminators: on the picture at half resolution, by features of EfficientNet-Lite0 and of
    SqueezeNet; on the picture at full resolution, by those of EfficientNet-Lite0, in the second
    part of the training; and on the whitened D^10, with a small receptive field. A step updates
    the discriminators on the fakes and features of the generator's update.

    Args:
        generator: The generator to train, with ``use_feature_projection``.
        encoder: Frozen encoder; computes D^10 of photos.
        initial: Folder of ``generator.safetensors`` and ``encoder.safetensors``. If the file's
            generator has other arguments, only the frozen layers are loaded.
            ``discriminator.safetensors``, if present, is loaded too.
        layout: ``layout.safetensors`` of :class:`~stylecinegan.tasks.layout_gan.LayoutGANTask`, a
            generator of the same arguments, to begin with its layers up to 8. Not read if
            ``initial`` holds a generator of these arguments, which a run goes on with.
        trunk: ImageNet weights of EfficientNet-Lite0.
        feature_weights: ImageNet weights of SqueezeNet, ``.npz``.
        coarse_share: Fraction of the training without the discriminator at full resolution.
        feature_weight: Weight of the adversarial loss on D^10, relative to those on pictures.
        width: Channels of the mixed feature maps.
        learning_rate: Learning rate of Adam for the generator, after 100 steps of warm-up.
        discriminator_learning_rate: Learning rate of Adam for the discriminators.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Compute dtype of the networks.

    Attributes:
        progress: Completed fraction of the training, in [0, 1], set by the training loop.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: FeatureStyleEncoder,
        *,
        initial: str | Path,
        layout: str | Path | None = None,
        trunk: str | Path,
        feature_weights: str | Path,
        coarse_share: float = 0.5,
        feature_weight: float = 0.3,
        width: int = 64,
        learning_rate: float = 2e-3,
        discriminator_learning_rate: float = 2e-4,
        ema_half_life: float = 20_000.0,
        precision: Precision = "fp32",
    ) -> None:
        if generator.feature_projection is None or generator.resolution < 128:
            raise InputError(
                "the generator must have use_feature_projection and at least 128 pixels, got "
                f"{generator.feature_projection is not None} and {generator.resolution}"
            )
        self.generator = generator
        self.encoder = encoder.eval().requires_grad_(False)
        self.is_new = not _load(Path(initial), generator, encoder)
        if self.is_new and layout is not None:
            load_layout(layout, generator)
        for module in generator.modules():
            if isinstance(module, ModulatedConv):
                module.fuse_blur = True
        generator.to(memory_format=torch.channels_last)
        self.efficientnet = EfficientNet()
        load_imagenet_weights(self.efficientnet, trunk)
        self.efficientnet.requires_grad_(False).to(memory_format=torch.channels_last)
        self.squeezenet = SqueezeNetFeatures(feature_weights, ("fire3", "fire5", "fire9"))
        self.squeezenet.to(memory_format=torch.channels_last)

        side = generator.resolution
        fine, coarse = ([side // 4, side // 8, side // 16], [side // 8, side // 16, side // 32])
        self.coarse_layer = last_layer(side // 2)
        channels = generator.channels[layer_resolution(FEATURE_LAYER)]
        lite = EfficientNet.num_channels
        self.discriminators = nn.ModuleDict(
            {
                "lite_half": PyramidDiscriminator(lite, coarse, width=width),
                "squeeze_half": PyramidDiscriminator((128, 256, 512), coarse, width=width),
                "deep_feature": PyramidDiscriminator(
                    [channels], [64], width=width, smallest_side=16
                ),
                "lite_full": PyramidDiscriminator(lite, fine, width=width),
            }
        ).to(memory_format=torch.channels_last)
        self.weights = dict.fromkeys(self.discriminators, 1.0)
        self.weights["deep_feature"] = feature_weight
        self.feature_mean = torch.zeros(channels)
        self.whitening = torch.eye(channels)
        self._load_discriminators(Path(initial))

        self.coarse_share = coarse_share
        self.progress = 0.0
        self.step_number = 0
        self.learning_rate = learning_rate
        self._real: FeatureStatistics | None = None
        self._num_real = 0
        self._fake_maps: dict[str, list[Tensor]] = {}

        trained = _unfreeze_bottom(generator)
        critics = list(self.discriminators.parameters())
        optimizers = (
            torch.optim.Adam(trained, learning_rate, betas=(0.0, 0.99), eps=1e-8, fused=True),
            torch.optim.Adam(
                critics, discriminator_learning_rate, betas=(0.0, 0.99), eps=1e-8, fused=True
            ),
        )
        self.generator_update, self.discriminator_update = (
            Update(parameters, optimizer, precision=precision)
            for parameters, optimizer in zip((trained, critics), optimizers, strict=True)
        )
        self.averaged = ExponentialMovingAverage(generator, half_life=ema_half_life)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        modules = (self.generator, self.encoder, self.efficientnet, self.squeezenet)
        for module in (*modules, self.discriminators, self.averaged):
            module.to(device)
        self.feature_mean = self.feature_mean.to(device)
        self.whitening = self.whitening.to(device)

    @property
    def view_layer(self) -> int:
        """Layer whose partial picture is the discriminators' input at present."""
        is_coarse = self.progress < self.coarse_share
        return self.coarse_layer if is_coarse else self.generator.last_layer

    def step(self, batch: Terms) -> Terms:
        """Updates all trained networks on ``{"image": [B, 3, S, S]}``; returns the terms."""
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        if self.step_number == 0:
            self._prepare(image)
        self._add_statistics(image)
        device = image.device
        for group in self.generator_update.optimizer.param_groups:
            group["lr"] = self.learning_rate * min(1.0, (self.step_number + 1) / 100)
        drawn = {
            "z": torch.randn(len(image), self.generator.style_dim, device=device),
            "numbers": draw_numbers(len(image), device),
        }
        terms = self.generator_update(self.generator_loss, drawn)
        photos = {"image": image, "numbers": draw_numbers(len(image), device)}
        terms |= self.discriminator_update(self.discriminator_loss, photos)
        self.averaged.update(self.generator, len(image))
        self.step_number += 1
        return terms

    def generator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Adversarial loss on samples, whose mixed maps are kept for the discriminators' update."""
        generator = self.generator
        with torch.autocast(batch["z"].device.type, enabled=False):
            w_plus = generator.repeat_w(generator.mapping(batch["z"]))
        features = generator.features(w_plus, last=self.view_layer, use_fresh_noise=True)
        picture = generator.render(features, w_plus)
        maps = self._mixed_maps(picture, features[FEATURE_LAYER], batch["numbers"])
        self._fake_maps = {name: [x.detach() for x in mixed] for name, mixed in maps.items()}
        terms: Terms = {}
        for name, mixed in maps.items():
            with torch.no_grad():
                weights = self._spectral(name)
            logits = self._discriminator(name)(mixed, weights)
            terms[f"generator_{name}"] = generator_loss(logits, "hinge")
        total = sum(self.weights[name[10:]] * term for name, term in terms.items())
        return cast(Tensor, total), terms

    def discriminator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Hinge loss on photos and on the samples of this step."""
        with torch.no_grad():
            image = batch["image"]
            feature = self.encoder(image)[1]
            if self.view_layer == self.coarse_layer:
                image = _halve(image)
            maps = self._mixed_maps(image, feature, batch["numbers"])
        terms: Terms = {}
        for name, mixed in maps.items():
            weights = self._spectral(name)
            discriminator = self._discriminator(name)
            real = discriminator(mixed, weights)
            fake = discriminator(self._fake_maps[name], weights)
            terms[f"discriminator_{name}"] = discriminator_loss(real, fake, "hinge")
        return torch.stack(list(terms.values())).sum(), terms

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {
            "generator": self.generator.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "averaged": self.averaged.state_dict(),
            "generator_update": self.generator_update.state_dict(),
            "discriminator_update": self.discriminator_update.state_dict(),
            "feature_mean": self.feature_mean,
            "whitening": self.whitening,
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        self.generator.load_state_dict(state["generator"])
        self.discriminators.load_state_dict(state["discriminators"])
        self.averaged.load_state_dict(state["averaged"])
        self.generator_update.load_state_dict(state["generator_update"])
        self.discriminator_update.load_state_dict(state["discriminator_update"])
        self.feature_mean = state["feature_mean"].to(self.feature_mean.device, copy=True)
        self.whitening = state["whitening"].to(self.whitening.device, copy=True)
        self.step_number = state["step"]

    def export(self, directory: Path) -> None:
        """Writes the averaged generator, the discriminators and samples."""
        directory.mkdir(parents=True, exist_ok=True)
        generator = self._averaged_generator()
        notes = {"task": "projected_gan", "step": str(self.step_number)}
        checkpoints.save(directory / "generator.safetensors", generator, notes=notes)
        state = {
            **self.discriminators.state_dict(),
            "feature_mean": self.feature_mean,
            "whitening": self.whitening,
        }
        half = {
            name: (tensor.half() if tensor.ndim == 4 else tensor).detach().cpu().contiguous()
            for name, tensor in state.items()
        }
        save_file(half, directory / "discriminator.safetensors")
        save_grid(directory / "samples.png", self.sample({})["samples"])

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Samples of seeds 0 to 63 at truncation 0.7, ``[64, 3, R, R]``."""
        generator = self._averaged_generator()
        codes = [generator.sample_w_plus(n, truncation=TRUNCATION) for n in range(NUM_SAMPLES)]
        pictures = [generator(part).clamp(-1.0, 1.0) for part in torch.cat(codes).split(16)]
        return {"samples": torch.cat(pictures)}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Fréchet distance of 2,000 samples to as many photos, over SqueezeNet's features."""
        if self._real is None or self._num_real < NUM_MEASURED:
            return {}
        generator = self._averaged_generator()
        device = generator.w_mean.device
        drawn = torch.Generator().manual_seed(0)
        fake = FeatureStatistics(self.squeezenet)
        for _ in range(NUM_MEASURED // _SAMPLE_BATCH):
            z = torch.randn(_SAMPLE_BATCH, generator.style_dim, generator=drawn).to(device)
            fake.add(generator(generator.repeat_w(generator.mapping(z))).clamp(-1.0, 1.0))
        return {"frechet": self._real.distance(fake)}

    def _averaged_generator(self) -> Generator:
        generator = cast(Generator, self.averaged.module)
        generator.estimate_w_mean()
        return generator

    @torch.no_grad()
    def _prepare(self, image: Tensor) -> None:
        """Initialises the statistics of D^10 and of the feature maps from photos."""
        feature = self.encoder(image)[1].float()
        if self.is_new:
            samples = feature.permute(1, 0, 2, 3).flatten(1)
            mean, covariance = samples.mean(dim=1), torch.cov(samples)
            projection = self.generator.feature_projection
            assert projection is not None
            projection.match(mean, covariance)
            values, vectors = torch.linalg.eigh(covariance.double().cpu())
            scales = (values.clamp(min=0.0) + _WHITENING_FLOOR * values.mean()).rsqrt()
            self.feature_mean.copy_(mean)
            self.whitening.copy_((vectors * scales) @ vectors.t())
            for name, maps in self._maps(image, feature).items():
                self._discriminator(name).calibrate(maps)
            self.averaged.module.load_state_dict(self.generator.state_dict())

    @torch.no_grad()
    def _add_statistics(self, image: Tensor) -> None:
        """Adds to the statistics of the first photos, the reference of the Fréchet distance."""
        if self._num_real < NUM_MEASURED:
            self._real = self._real or FeatureStatistics(self.squeezenet)
            self._real.add(image[: NUM_MEASURED - self._num_real])
            self._num_real += len(image[: NUM_MEASURED - self._num_real])

    def _mixed_maps(
        self, picture: Tensor, feature: Tensor, numbers: Tensor
    ) -> dict[str, list[Tensor]]:
        """Augments a picture; mixed feature maps of it and of its D^10 by discriminator."""
        picture = augment(picture, numbers).contiguous(memory_format=torch.channels_last)
        maps = self._maps(picture, feature)
        return {name: self._discriminator(name).mix(maps[name]) for name in maps}

    def _maps(self, picture: Tensor, feature: Tensor) -> dict[str, list[Tensor]]:
        """Feature maps of a picture, full or halved, and its whitened D^10, by discriminator."""
        is_full = picture.shape[2] == self.generator.resolution
        half = _halve(picture) if is_full else picture
        half = half.contiguous(memory_format=torch.channels_last)
        centred = feature - self.feature_mean.view(1, -1, 1, 1).to(feature.dtype)
        maps = {
            "lite_half": self.efficientnet(half),
            "squeeze_half": self.squeezenet(half),
            "deep_feature": [F.conv2d(centred, self.whitening[:, :, None, None].to(feature.dtype))],
        }
        if is_full:
            maps["lite_full"] = self.efficientnet(picture)
        return maps

    def _discriminator(self, name: str) -> PyramidDiscriminator:
        return cast(PyramidDiscriminator, self.discriminators[name])

    def _spectral(self, name: str) -> list[SpectralWeights]:
        with torch.autocast(self.feature_mean.device.type, enabled=False):
            return self._discriminator(name).normalised_weights()

    def _load_discriminators(self, directory: Path) -> None:
        path = directory / "discriminator.safetensors"
        if self.is_new or not path.is_file():
            return
        state = load_file(path)
        self.feature_mean = state.pop("feature_mean")
        self.whitening = state.pop("whitening")
        checkpoints.load_strictly(self.discriminators, state, path)


def _load(directory: Path, generator: Generator, encoder: FeatureStyleEncoder) -> bool:
    """Loads encoder and generator, or only its frozen layers; returns whether all was loaded."""
    load_weights(directory, nn.ModuleDict({"encoder": encoder}))
    path = directory / "generator.safetensors"
    found = checkpoints.load(path, Generator)
    state = found.state_dict()
    if found.arguments == generator.arguments:
        checkpoints.load_strictly(generator, state, path)
        return True
    whole = generator.state_dict()
    fixed = {name: tensor for name, tensor in state.items() if _is_fixed(name)}
    missing = [name for name in whole if _is_fixed(name) and name not in fixed]
    wrong = [name for name in fixed if name not in whole or fixed[name].shape != whole[name].shape]
    if missing or wrong:
        raise InputError(f"the layers after D^10 in {path} do not fit: {(missing + wrong)[0]}")
    generator.load_state_dict({**whole, **fixed})
    return False


def _is_fixed(name: str) -> bool:
    """Whether a weight of the generator is frozen: those of the layers after D^10."""
    parts = name.split(".")
    if parts[0] == "convs":
        return int(parts[1]) > FEATURE_LAYER
    return parts[0] in ("to_rgbs", "appearance")


def _unfreeze_bottom(generator: Generator) -> list[nn.Parameter]:
    trained: list[nn.Parameter] = []
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_(not _is_fixed(name))
        if parameter.requires_grad:
            trained.append(parameter)
    return trained


def _halve(image: Tensor) -> Tensor:
    """Halves the resolution of ``[B, 3, H, W]`` with the separable filter (1, 3, 3, 1) / 8."""
    taps: Sequence[float] = (0.125, 0.375, 0.375, 0.125)
    kernel = torch.tensor(taps, device=image.device, dtype=image.dtype)
    kernel = torch.outer(kernel, kernel).expand(3, 1, 4, 4)
    with torch.autocast(image.device.type, enabled=False):
        return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=3)
