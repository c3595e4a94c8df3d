"""Adversarial training of the generator up to D^10, with the later layers fixed (Projected GAN)."""

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
from stylecinegan.generator.pyramid_discriminator import PyramidDiscriminator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, last_layer, layer_resolution
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.losses.adversarial import SqueezeNetFeatures
from stylecinegan.tasks.feature_gan import FeatureGANTask, FeatureMaps, Terms
from stylecinegan.tasks.generator_setup import (
    channel_statistics,
    is_of_top,
    load_top,
    load_weights,
)
from stylecinegan.tasks.layout_gan import load_layout
from stylecinegan.tasks.sample_distance import SampleDistance
from stylecinegan.training.augmentation import augment
from stylecinegan.training.run_log import save_grid
from stylecinegan.training.update import Precision

NUM_MEASURED = 2000
_WHITENING_FLOOR = 0.02  # of the mean eigenvalue, so that directions of low variance stay small


class ProjectedGANTask(FeatureGANTask):
    """Trains mapping network and layers up to D^10 against discriminators on fixed features.

    The encoder and the layers after D^10 are frozen, so inversions and masks do not change. The
    frozen layers were trained on the encoder's D^10, whose mean and covariance the generator is
    initialised to (:class:`~stylecinegan.generator.layers.FeatureProjection`).

    Discriminators: on the picture at half resolution, by features of EfficientNet-Lite0 and of
    SqueezeNet; on the picture at full resolution, by those of EfficientNet-Lite0, in the second
    part of the training; and on the whitened D^10, with a small receptive field.

    Args:
        generator: The generator to train, with ``use_feature_projection``.
        encoder: Frozen encoder; computes D^10 of photos.
        initial: Folder of ``generator.safetensors`` and ``encoder.safetensors``. If the file's
            generator has other arguments, only the frozen layers are loaded.
            ``discriminator.safetensors``, if present, is loaded too.
        layout: ``layout.safetensors`` of :class:`~stylecinegan.tasks.layout_gan.LayoutGANTask`, a
            generator of the same arguments whose layers up to 8 are the initial ones. Not read if
            ``initial`` has a generator of these arguments, whose training continues.
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

    discriminator_weight = 1.0

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
        super().__init__(
            generator,
            _unfreeze_bottom(generator),
            {
                "lite_half": PyramidDiscriminator(lite, coarse, width=width),
                "squeeze_half": PyramidDiscriminator((128, 256, 512), coarse, width=width),
                "deep_feature": PyramidDiscriminator(
                    [channels], [64], width=width, smallest_side=16
                ),
                "lite_full": PyramidDiscriminator(lite, fine, width=width),
            },
            learning_rate=learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            ema_half_life=ema_half_life,
            precision=precision,
        )
        self.generator_weights = dict.fromkeys(self.discriminators, 1.0)
        self.generator_weights["deep_feature"] = feature_weight
        self.feature_mean = torch.zeros(channels)
        self.whitening = torch.eye(channels)
        self._load_discriminators(Path(initial))
        self.coarse_share = coarse_share
        self.progress = 0.0
        self.distance = SampleDistance(self.squeezenet, NUM_MEASURED)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        modules = (self.generator, self.encoder, self.efficientnet, self.squeezenet)
        for module in (*modules, self.discriminators, self.averaged):
            module.to(device)
        self.feature_mean = self.feature_mean.to(device)
        self.whitening = self.whitening.to(device)

    @property
    def view_layer(self) -> int:
        """Layer whose partial picture is the discriminators' input now."""
        is_coarse = self.progress < self.coarse_share
        return self.coarse_layer if is_coarse else self.generator.last_layer

    def step(self, batch: Terms) -> Terms:
        """Updates all trained networks on ``{"image": [B, 3, S, S]}``; returns the terms."""
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        if self.step_number == 0:
            self._prepare(image)
        self.distance.add_photos(image)
        self.warm_up(100)
        return self.update(image, self.generator.style_dim)

    def fake_maps(self, z: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of samples, augmented, and of their D^10."""
        generator = self.generator
        with torch.autocast(z.device.type, enabled=False):
            w_plus = generator.repeat_w(generator.mapping(z))
        features = generator.features(w_plus, last=self.view_layer, use_fresh_noise=True)
        picture = generator.render(features, w_plus)
        return self._augmented_maps(picture, features[FEATURE_LAYER], numbers)

    def real_maps(self, image: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of photos, augmented, and of the encoder's D^10."""
        feature = self.encoder(image)[1]
        if self.view_layer == self.coarse_layer:
            image = _halve(image)
        return self._augmented_maps(image, feature, numbers)

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {
            "generator": self.generator.state_dict(),
            "feature_mean": self.feature_mean,
            "whitening": self.whitening,
            **super().state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        super().load_state_dict(state)
        self.generator.load_state_dict(state["generator"])
        self.feature_mean = state["feature_mean"].to(self.feature_mean.device, copy=True)
        self.whitening = state["whitening"].to(self.whitening.device, copy=True)

    def export(self, directory: Path) -> None:
        """Writes the averaged generator, the discriminators and samples."""
        directory.mkdir(parents=True, exist_ok=True)
        generator = self.averaged_generator()
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

    def averaged_generator(self) -> Generator:
        """The averaged generator, with its ``w_mean`` estimated again."""
        generator = cast(Generator, self.averaged.module)
        generator.estimate_w_mean()
        return generator

    @torch.no_grad()
    def _prepare(self, image: Tensor) -> None:
        """Initialises the statistics of D^10 and of the feature maps from photos."""
        feature = self.encoder(image)[1].float()
        if self.is_new:
            mean, covariance = channel_statistics(feature)
            projection = self.generator.feature_projection
            assert projection is not None
            projection.match(mean, covariance)
            values, vectors = torch.linalg.eigh(covariance.double().cpu())
            scales = (values.clamp(min=0.0) + _WHITENING_FLOOR * values.mean()).rsqrt()
            self.feature_mean.copy_(mean)
            self.whitening.copy_((vectors * scales) @ vectors.t())
            self.calibrate(self._maps(image, feature))
            self.averaged.module.load_state_dict(self.generator.state_dict())

    def _augmented_maps(self, picture: Tensor, feature: Tensor, numbers: Tensor) -> FeatureMaps:
        picture = augment(picture, numbers).contiguous(memory_format=torch.channels_last)
        return self._maps(picture, feature)

    def _maps(self, picture: Tensor, feature: Tensor) -> FeatureMaps:
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
    if found.arguments == generator.arguments:
        checkpoints.load_strictly(generator, found.state_dict(), path)
        return True
    load_top(path, generator)
    return False


def _unfreeze_bottom(generator: Generator) -> list[nn.Parameter]:
    trained: list[nn.Parameter] = []
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_(not is_of_top(name))
        if parameter.requires_grad:
            trained.append(parameter)
    return trained


def _halve(image: Tensor) -> Tensor:
    """Halves the resolution of ``[B, 3, H, W]`` with the separable filter (1, 3, 3, 1) / 8."""
    taps = torch.tensor((0.125, 0.375, 0.375, 0.125), device=image.device, dtype=image.dtype)
    kernel = torch.outer(taps, taps).expand(3, 1, 4, 4)
    with torch.autocast(image.device.type, enabled=False):
        return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=3)
