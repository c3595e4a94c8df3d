"""Adversarial training of layers 9 and 10 on crops, with all other layers fixed (Projected GAN)."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, layer_resolution
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.tasks.feature_gan import FeatureMaps, Terms
from stylecinegan.tasks.generator_setup import channel_statistics, load_top, load_weights
from stylecinegan.tasks.layout_gan import (
    LAST_LAYER,
    LayoutGAN,
    layout_loss,
    load_layout_network,
)
from stylecinegan.tasks.view_gan import VIEW_SIDE, ViewGANTask
from stylecinegan.training.augmentation import augment
from stylecinegan.training.run_log import save_grid
from stylecinegan.training.update import Precision

NUM_MEASURED = 1000
_MIN_TRUNCATION = 0.7  # of the training's samples, whose truncation is uniform up to 1
_LAYOUT_SIDE = layer_resolution(LAST_LAYER)
_MARGIN = 3  # radius of the later layers' receptive field, in positions of layer 8
_NOISE_STRENGTH = 0.2  # initially; at 0 there would be no texture for the loss to shape
_NUM_WARM_UP = 50

Place = tuple[int, int]
"""(row, column) of a window's upper left position in the 32x32 feature map of layer 8."""


class TextureGANTask(ViewGANTask):
    """Trains layers 9, 10 and the feature projection on the layout of a fixed layer 8.

    Only a window of layer 8 is rendered, so that a step at full resolution is affordable on a CPU:
    the discriminators get crops of 64 pixels of samples and, at the same position, of photos. A
    second loss keeps the layout: a crop downsampled to the resolution of layer 8 should equal the
    picture that :class:`~stylecinegan.tasks.layout_gan.LayoutGAN` renders
    (:func:`~stylecinegan.tasks.layout_gan.layout_loss`).

    Before the first step the projection is matched to the encoder's D^10 of the photos, on which
    the fixed layers after D^10 were trained
    (:class:`~stylecinegan.generator.layers.FeatureProjection`).

    Args:
        generator: The generator to train, with ``use_feature_projection``.
        encoder: Computes D^10 of photos.
        initial: Folder of ``generator.safetensors``, of which the layers after D^10 are used, and
            ``encoder.safetensors``.
        layout: ``layout.safetensors`` of a :class:`~stylecinegan.tasks.layout_gan.LayoutGANTask`,
            with ``layout_rgb.safetensors`` beside it.
        trunk: ImageNet weights of EfficientNet-Lite0.
        feature_weights: ImageNet weights of SqueezeNet, ``.npz``.
        layout_weight: Weight of the loss that keeps the layout.
        width: Channels of the mixed feature maps.
        learning_rate: Learning rate of Adam for the generator, after 50 steps of warm-up.
        discriminator_learning_rate: Learning rate of Adam for the discriminators.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Compute dtype of the networks.

    Raises:
        InputError: If the generator has no feature projection, is smaller than 128 pixels or adds
            colour before layer 10, or a file does not fit.
    """

    network: LayoutGAN

    def __init__(
        self,
        generator: Generator,
        encoder: FeatureStyleEncoder,
        *,
        initial: str | Path,
        layout: str | Path,
        trunk: str | Path,
        feature_weights: str | Path,
        layout_weight: float = 5.0,
        width: int = 64,
        learning_rate: float = 2e-3,
        discriminator_learning_rate: float = 4e-4,
        ema_half_life: float = 5000.0,
        precision: Precision = "fp32",
    ) -> None:
        _check(generator)
        network = LayoutGAN(generator)
        load_layout_network(layout, network)
        load_top(Path(initial) / "generator.safetensors", generator)
        load_weights(Path(initial), nn.ModuleDict({"encoder": encoder}))
        generator.estimate_w_mean()
        self.encoder = encoder.eval().requires_grad_(False)
        super().__init__(
            network.to(memory_format=torch.channels_last),
            _unfreeze_middle(network),
            trunk=trunk,
            feature_weights=feature_weights,
            width=width,
            num_measured=NUM_MEASURED,
            learning_rate=learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            ema_half_life=ema_half_life,
            precision=precision,
        )
        self.layout_weight = layout_weight
        self.scale = generator.resolution // _LAYOUT_SIDE
        self.window = VIEW_SIDE // self.scale
        self._place: Place = (0, 0)
        self._truncation = 1.0
        self._layout_loss = torch.zeros(())

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        super().to(device)
        self.encoder.to(device)

    def step(self, batch: Terms) -> Terms:
        """Updates the networks on ``{"image": [B, 3, S, S]}``; returns the terms."""
        image = batch["image"]
        if self.step_number == 0:
            self._prepare(image)
        self.distance.add_photos(image)
        self.warm_up(_NUM_WARM_UP)
        row, column = torch.randint(_LAYOUT_SIDE - self.window + 1, (2,)).tolist()
        self._place = (row, column)
        self._truncation = float(torch.empty(()).uniform_(_MIN_TRUNCATION, 1.0))
        return self.update(image, self.network.generator.style_dim)

    def fake_maps(self, z: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of samples' crops, augmented."""
        generator = self.network.generator
        with torch.no_grad(), torch.autocast(z.device.type, enabled=False):
            w = generator.truncate(generator.mapping(z), self._truncation)
        crop, layout = self.render_crop(w, self._place)
        self._layout_loss = layout_loss(crop, layout)
        return self.view_maps(augment(crop, numbers))

    def real_maps(self, image: Tensor, numbers: Tensor) -> FeatureMaps:
        """Feature maps of photos' crops at the samples' place, augmented."""
        top, left = (self.scale * first for first in self._place)
        crop = image[:, :, top : top + VIEW_SIDE, left : left + VIEW_SIDE]
        return self.view_maps(augment(crop, numbers))

    def generator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Hinge loss on samples and the loss that keeps their layout."""
        total, terms = super().generator_loss(batch)
        terms["layout"] = self._layout_loss
        return total + self.layout_weight * self._layout_loss, terms

    def render_crop(self, w: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """Renders a crop, equal to that part of the whole picture up to rounding.

        Args:
            w: Latent codes, ``[B, style_dim]``.
            place: The window, the same for all pictures.

        Returns:
            The crop, ``[B, 3, 64, 64]``, and its layout, ``[B, 3, window, window]``, without
            gradient.
        """
        generator = self.network.generator
        w_plus = generator.repeat_w(w)
        with torch.no_grad():
            lower = generator.features(w_plus, last=LAST_LAYER, use_fresh_noise=True)
            layout = self.network.render(lower, w)
        row, column = place
        rows, columns = (slice(max(0, i - _MARGIN), i + self.window + _MARGIN) for i in place)
        start = lower[LAST_LAYER][:, :, rows, columns].contiguous(memory_format=torch.channels_last)
        features = generator.features(w_plus, (LAST_LAYER, start), use_fresh_noise=True)
        top, left = (self.scale * min(i, _MARGIN) for i in place)
        picture = generator.render(features, w_plus)
        return (
            picture[:, :, top : top + VIEW_SIDE, left : left + VIEW_SIDE],
            layout[:, :, row : row + self.window, column : column + self.window],
        )

    def export(self, directory: Path) -> None:
        """Writes the averaged generator and samples."""
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "texture_gan", "step": str(self.step_number)}
        generator = self.averaged_generator()
        checkpoints.save(directory / "generator.safetensors", generator, notes=notes)
        save_grid(directory / "samples.png", self.sample({})["samples"])

    def averaged_generator(self) -> Generator:
        """The averaged generator, with its ``w_mean`` estimated again."""
        generator = cast(LayoutGAN, self.averaged.module).generator
        generator.estimate_w_mean()
        return generator

    @torch.no_grad()
    def _prepare(self, image: Tensor) -> None:
        """Initialises the projection and the statistics of the feature maps from photos."""
        projection = self.network.generator.feature_projection
        assert projection is not None
        projection.match(*channel_statistics(self.encoder(image)[1].float()))
        tiles = image.unfold(2, VIEW_SIDE, VIEW_SIDE).unfold(3, VIEW_SIDE, VIEW_SIDE)
        tiles = tiles.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        self.calibrate(self.view_maps(tiles))
        self.averaged.module.load_state_dict(self.network.state_dict())


def _check(generator: Generator) -> None:
    has_projection = generator.feature_projection is not None
    first = generator.first_rgb_layer
    if not has_projection or generator.resolution < 128 or first < FEATURE_LAYER:
        raise InputError(
            "the generator must have use_feature_projection, first_rgb_layer of at least "
            f"{FEATURE_LAYER} and at least 128 pixels, got {has_projection}, {first} and "
            f"{generator.resolution}"
        )


def _unfreeze_middle(network: LayoutGAN) -> list[nn.Parameter]:
    """Freezes all but the layers from 9 to D^10 and the projection; returns their weights."""
    network.requires_grad_(False)
    generator = network.generator
    modules = [generator.convs[str(n)] for n in range(LAST_LAYER + 1, FEATURE_LAYER + 1)]
    for module in modules:
        nn.init.constant_(module.get_parameter("noise_strength"), _NOISE_STRENGTH)
    assert generator.feature_projection is not None
    modules.append(generator.feature_projection)
    return [p for module in modules for p in module.requires_grad_(True).parameters()]
