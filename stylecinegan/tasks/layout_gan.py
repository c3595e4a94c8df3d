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
from stylecinegan.generator.pyramid_discriminator import PyramidDiscriminator
from stylecinegan.generator.stylegan2 import layer_resolution, partial_sums
from stylecinegan.losses.adversarial import SqueezeNetFeatures
from stylecinegan.tasks.feature_gan import FeatureGANTask, FeatureMaps, Terms
from stylecinegan.tasks.sample_distance import SampleDistance
from stylecinegan.training.augmentation import augment
from stylecinegan.training.update import Precision

LAST_LAYER = 8
NUM_SAMPLES = 64
NUM_MEASURED = 1000
TRUNCATION = 0.7
_VIEW_SIDE = 64  # of the discriminators' input: 32 pixels are too few for their feature networks
_RGB_LAYERS = (4, 6, 8)


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


class LayoutGANTask(FeatureGANTask):
    """Trains mapping network and layers 2 to 8 against discriminators on fixed features.

    A picture of 32 pixels costs about a tenth of one of 256, so a CPU can train on more of them,
    which the layout of sky, ground and water needs. The later layers are then trained from there
    (``layout`` of :class:`~stylecinegan.tasks.projected_gan.ProjectedGANTask`).

    The discriminators classify the picture at 64 pixels by features of EfficientNet-Lite0 and of
    SqueezeNet; their losses are averaged.

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

    discriminator_weight = 0.5

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
        super().__init__(
            self.network,
            self.network.trained(),
            {
                "lite": PyramidDiscriminator(EfficientNet.num_channels, sides, width=width),
                "squeeze": PyramidDiscriminator((128, 256, 512), sides, width=width),
            },
            learning_rate=learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            ema_half_life=ema_half_life,
            precision=precision,
        )
        self.generator_weights = dict.fromkeys(self.discriminators, 0.5)
        self.distance = SampleDistance(squeezenet, NUM_MEASURED)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        for module in (self.network, self.trunks, self.discriminators, self.averaged):
            module.to(device)

    def step(self, batch: Terms) -> Terms:
        """Updates the networks on ``{"image": [B, 3, 32, 32]}``; returns the terms."""
        image = batch["image"]
        if self.step_number == 0:
            with torch.no_grad():
                self.calibrate(self._maps(_enlarge(image)))
        self.distance.add_photos(_enlarge(image))
        return self.update(image, self.network.generator.style_dim)

    def fake_maps(self, z: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of samples, enlarged to 64 pixels and augmented."""
        with torch.autocast(z.device.type, enabled=False):
            w = self.network.generator.mapping(z)
        return self.real_maps(self.network(w, use_fresh_noise=True), numbers)

    def real_maps(self, image: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of photos, enlarged to 64 pixels and augmented."""
        return self._maps(augment(_enlarge(image), numbers))

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {"network": self.network.state_dict(), **super().state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        super().load_state_dict(state)
        self.network.load_state_dict(state["network"])

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

    def measure(self) -> dict[str, float]:
        """Fréchet distance of 1,000 samples to as many photos, SqueezeNet's features at 64 px."""
        network = self._averaged_network()
        device = network.generator.w_mean.device

        def render(z: Tensor) -> Tensor:
            return _enlarge(network(network.generator.mapping(z.to(device))).clamp(-1.0, 1.0))

        return self.distance.measure(render, network.generator.style_dim)

    def _averaged_network(self) -> LayoutGAN:
        network = cast(LayoutGAN, self.averaged.module)
        network.generator.estimate_w_mean()
        return network

    def _maps(self, view: Tensor) -> FeatureMaps:
        view = view.contiguous(memory_format=torch.channels_last)
        return {name: trunk(view) for name, trunk in self.trunks.items()}


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
