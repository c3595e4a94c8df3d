"""Adversarial training of the generator's layers up to 32 pixels (Projected GAN)."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.checkpoints.own_files import read_own_file
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.layers import ToRGB
from stylecinegan.generator.stylegan2 import layer_resolution, partial_sums
from stylecinegan.tasks.feature_gan import FeatureMaps, Terms
from stylecinegan.tasks.view_gan import VIEW_SIDE, ViewGANTask
from stylecinegan.training.augmentation import augment
from stylecinegan.training.update import Precision

LAST_LAYER = 8
NUM_SAMPLES = 64
NUM_MEASURED = 1000
TRUNCATION = 0.7
_LARGEST = 1.1  # absolute value of a layout's colours, in layout_loss
_RGB_LAYERS = (4, 6, 8)
_RGB_FILE = "layout_rgb.safetensors"


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
        return self.render(features, w)

    def render(self, features: Mapping[int, Tensor], w: Tensor) -> Tensor:
        """Pictures of the deep features of layers 4, 6 and 8 (the rest as in :meth:`forward`)."""
        return partial_sums(
            {layer: self.to_rgbs[str(layer)](features[layer], w) for layer in _RGB_LAYERS}
        )[-1]

    def trained(self) -> list[nn.Parameter]:
        """Weights that have an effect on the pictures."""
        lower = [p for name, p in self.generator.named_parameters() if _is_of_layout(name)]
        return lower + list(self.to_rgbs.parameters())


class LayoutGANTask(ViewGANTask):
    """Trains mapping network and layers 2 to 8 against discriminators on fixed features.

    A picture of 32 pixels costs about a tenth of one of 256, so a CPU can train on more of them,
    which the layout of sky, ground and water needs. The later layers are then trained from there
    (``layout`` of :class:`~stylecinegan.tasks.texture_gan.TextureGANTask` and of
    :class:`~stylecinegan.tasks.projected_gan.ProjectedGANTask`).

    The discriminators see the picture enlarged to 64 pixels: 32 are too few for their feature
    networks.

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

    network: LayoutGAN

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
        network = LayoutGAN(generator).to(memory_format=torch.channels_last)
        super().__init__(
            network,
            network.trained(),
            trunk=trunk,
            feature_weights=feature_weights,
            width=width,
            num_measured=NUM_MEASURED,
            learning_rate=learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            ema_half_life=ema_half_life,
            precision=precision,
        )

    def step(self, batch: Terms) -> Terms:
        """Updates the networks on ``{"image": [B, 3, 32, 32]}``; returns the terms."""
        image = batch["image"]
        if self.step_number == 0:
            with torch.no_grad():
                self.calibrate(self.view_maps(_enlarge(image)))
        self.distance.add_photos(_enlarge(image))
        return self.update(image, self.network.generator.style_dim)

    def fake_maps(self, z: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of samples, enlarged to 64 pixels and augmented."""
        with torch.autocast(z.device.type, enabled=False):
            w = self.network.generator.mapping(z)
        return self.real_maps(self.network(w, use_fresh_noise=True), numbers)

    def real_maps(self, image: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of photos, enlarged to 64 pixels and augmented."""
        return self.view_maps(augment(_enlarge(image), numbers))

    def export(self, directory: Path) -> None:
        """Writes the averaged generator, whose layers after 8 are untrained: ``layout.…``.

        The to-RGB layers are in ``layout_rgb.safetensors``.
        """
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "layout_gan", "step": str(self.step_number)}
        network = self._averaged_network()
        checkpoints.save(directory / "layout.safetensors", network.generator, notes=notes)
        to_rgbs = {
            n: t.detach().cpu().contiguous() for n, t in network.to_rgbs.state_dict().items()
        }
        save_file(to_rgbs, directory / _RGB_FILE)

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


def load_layout_network(path: str | Path, network: LayoutGAN) -> None:
    """Loads the layout and the to-RGB layers, which are in a file beside it.

    Raises:
        InputError: If a file is missing or of a generator with other arguments.
    """
    load_layout(path, network.generator)
    beside = Path(path).with_name(_RGB_FILE)
    checkpoints.load_strictly(network.to_rgbs, read_own_file(beside)[1], beside)


def layout_loss(crop: Tensor, layout: Tensor) -> Tensor:
    """Mean absolute difference of a crop to its layout, at the layout's resolution.

    Args:
        crop: ``[B, 3, k H, k W]``; each position of the layout is the mean of k x k pixels.
        layout: ``[B, 3, H, W]``; clamped to ±1.1, as it may overshoot.
    """
    reduced = F.avg_pool2d(crop, crop.shape[-1] // layout.shape[-1])
    return (reduced - layout.clamp(-_LARGEST, _LARGEST)).abs().mean()


def _is_of_layout(name: str) -> bool:
    parts = name.split(".")
    if parts[0] == "convs":
        return int(parts[1]) <= LAST_LAYER
    return parts[0] in ("mapping", "constant", "w_mean")


def _enlarge(picture: Tensor) -> Tensor:
    return F.interpolate(picture, (VIEW_SIDE, VIEW_SIDE), mode="bilinear")
