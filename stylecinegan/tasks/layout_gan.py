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
from stylecinegan.tasks import feature_gan
from stylecinegan.tasks.feature_gan import TRUNCATION, FeatureMaps, Terms
from stylecinegan.tasks.view_gan import VIEW_SIDE, ViewGANTask
from stylecinegan.training.augmentation import augment
from stylecinegan.training.update import Precision

LAST_LAYER = 8
NUM_MEASURED = 1000
_LARGEST = 1.1  # absolute value that layouts are clamped to
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

    The layout of sky, ground and water takes many training pictures to learn, and a picture of 32
    pixels costs about a tenth of one of 256, which makes that possible on a CPU. The later layers
    are trained afterwards (``layout`` of :class:`~stylecinegan.tasks.texture_gan.TextureGANTask`
    and of :class:`~stylecinegan.tasks.projected_gan.ProjectedGANTask`).

    The discriminators' input is enlarged to 64 pixels: 32 are too few for their feature networks.

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
                self.calibrate(self.view_maps(enlarge(image)))
        self.distance.add_photos(enlarge(image))
        return self.update(image, self.network.generator.style_dim)

    def fake_maps(self, z: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of samples, enlarged to 64 pixels and augmented."""
        with torch.autocast(z.device.type, enabled=False):
            w = self.network.generator.mapping(z)
        return self.real_maps(self.network(w, use_fresh_noise=True), numbers)

    def real_maps(self, image: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of photos, enlarged to 64 pixels and augmented."""
        return self.view_maps(augment(enlarge(image), numbers))

    def export(self, directory: Path) -> None:
        """Writes the averaged networks.

        ``layout.safetensors`` is the generator, whose layers after 8 are untrained;
        ``layout_rgb.safetensors`` holds the to-RGB layers.
        """
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "layout_gan", "step": str(self.step_number)}
        checkpoints.save(directory / "layout.safetensors", self.averaged_generator(), notes=notes)
        state = cast(LayoutGAN, self.averaged.module).to_rgbs.state_dict()
        to_rgbs = {name: tensor.cpu().contiguous() for name, tensor in state.items()}
        save_file(to_rgbs, directory / _RGB_FILE)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Samples of seeds 0 to 63 at truncation 0.7, enlarged to ``[64, 3, 64, 64]``."""
        generator = self.averaged_generator()
        codes = [
            generator.sample_w_plus(seed, truncation=TRUNCATION)[:, 0]
            for seed in range(feature_gan.NUM_SAMPLES)
        ]
        pictures = self.averaged.module(torch.cat(codes))
        return {"samples": enlarge(pictures).clamp(-1.0, 1.0)}

    def measure(self) -> dict[str, float]:
        """Fréchet distance of samples to photos, over SqueezeNet's features at 64 pixels."""
        generator, network = self.averaged_generator(), self.averaged.module
        device = generator.w_mean.device

        def render(z: Tensor) -> Tensor:
            return enlarge(network(generator.mapping(z.to(device))).clamp(-1.0, 1.0))

        return self.distance.measure(render, generator.style_dim)

    def averaged_generator(self) -> Generator:
        """The averaged generator, with its ``w_mean`` estimated again."""
        generator = cast(LayoutGAN, self.averaged.module).generator
        generator.estimate_w_mean()
        return generator


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
    """Loads a layout and its to-RGB layers.

    Raises:
        InputError: If a file is missing or of a generator with other arguments.
    """
    load_layout(path, network.generator)
    load_layout_colours(path, network)


def load_layout_colours(path: str | Path, network: LayoutGAN) -> None:
    """Loads the to-RGB layers from the file beside ``layout.safetensors``.

    Raises:
        InputError: If the file is missing or of a generator with other arguments.
    """
    rgb_path = Path(path).with_name(_RGB_FILE)
    checkpoints.load_strictly(network.to_rgbs, read_own_file(rgb_path)[1], rgb_path)


def layout_loss(crop: Tensor, layout: Tensor) -> Tensor:
    """Mean absolute difference between a crop and its layout, at the layout's resolution.

    Args:
        crop: ``[B, 3, k H, k W]``; each position of the layout is the mean of k x k pixels.
        layout: ``[B, 3, H, W]``; clamped to [-1.1, 1.1], since it may overshoot.
    """
    reduced = F.avg_pool2d(crop, crop.shape[-1] // layout.shape[-1])
    return (reduced - layout.clamp(-_LARGEST, _LARGEST)).abs().mean()


def _is_of_layout(name: str) -> bool:
    parts = name.split(".")
    if parts[0] == "convs":
        return int(parts[1]) <= LAST_LAYER
    return parts[0] in ("mapping", "constant", "w_mean")


def enlarge(picture: Tensor) -> Tensor:
    """Enlarges layouts, ``[B, 3, 32, 32]``, to 64 pixels for feature networks."""
    return F.interpolate(picture, (VIEW_SIDE, VIEW_SIDE), mode="bilinear")
