"""Training of the encoder (Sec. 3.1), alone or together with the generator's top."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, layer_resolution
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.losses.adversarial import pyramid_error
from stylecinegan.tasks.generator_setup import encoder_input, load_weights, unfreeze_top
from stylecinegan.tasks.supervised import SupervisedTask, Terms
from stylecinegan.training.update import Precision, Update


class EncoderTask(SupervisedTask):
    """Trains a :class:`FeatureStyleEncoder` to invert pictures.

    With ``train_top=False`` the generator is frozen, as in the paper. With ``train_top=True`` its
    layers after D^10 and its to-RGB layers are trained jointly with the encoder, as the decoder of
    an autoencoder, without adversarial training, which is feasible on a CPU.

    Args:
        generator: The generator to invert.
        encoder: The encoder to train, or a function that builds it from ``num_styles``,
            ``style_dim`` and ``feature_channels`` of the generator.
        perceptual: Distance of two batches of pictures, e.g.
            :class:`~stylecinegan.losses.perceptual.FeatureDistance`; ``None`` drops the term.
        train_top: Also trains the generator's layers after D^10.
        synthetic_share: Fraction of the batch that is sampled from the generator, with known codes
            and features.
        vary_size: Crops the real pictures to a random size and aspect in every step.
        initial: Folder of ``generator.safetensors`` and ``encoder.safetensors`` with the initial
            weights, of the same arguments as the networks.
        freeze_statistics: Freezes the batch statistics of ``initial``. Statistics of a batch of
            crops differ from the running ones, which limits the accuracy of reconstructions.
        pixel_weight: Weight of the mean absolute error of the picture.
        squared_weight: Weight of the mean squared error of the picture.
        pyramid_weight: Weight of the mean absolute error of the coarser partial sums of the to-RGB
            layers against the downsampled picture. It makes every to-RGB output a frequency band
            of the picture, as warping at its own resolution requires; no effect on a frozen
            generator.
        perceptual_weight: Weight of the perceptual distance.
        feature_weight: Weight of the squared error of D^10 on sampled pictures.
        code_weight: Weight of the squared error of w+ on sampled pictures.
        regularization_weight: Weight of the squared distance of w+ to the mean code.
        learning_rate: Peak learning rate of Adam for the encoder.
        top_learning_rate: Peak learning rate for the generator, larger because its weights have an
            equalised learning rate.
        num_steps: Length of the cosine schedule that lowers the learning rate to 1 %.
        num_warmup: Steps of linear warm-up.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Compute dtype of the networks.
        num_accumulate: Parts that a batch is split into.
    """

    network_key = "networks"

    def __init__(
        self,
        generator: Generator,
        encoder: FeatureStyleEncoder | Callable[..., FeatureStyleEncoder],
        *,
        perceptual: nn.Module | None = None,
        train_top: bool = False,
        synthetic_share: float = 0.5,
        vary_size: bool = False,
        initial: str | Path | None = None,
        freeze_statistics: bool = False,
        pixel_weight: float = 1.0,
        squared_weight: float = 0.0,
        pyramid_weight: float = 0.0,
        perceptual_weight: float = 0.1,
        feature_weight: float = 0.1,
        code_weight: float = 0.1,
        regularization_weight: float = 1e-4,
        learning_rate: float = 2e-3,
        top_learning_rate: float = 1e-2,
        num_steps: int = 100_000,
        num_warmup: int = 200,
        ema_half_life: float = 2000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        if not isinstance(encoder, FeatureStyleEncoder):
            encoder = encoder(
                num_styles=generator.num_styles,
                style_dim=generator.style_dim,
                feature_channels=generator.channels[layer_resolution(FEATURE_LAYER)],
            )
        self.networks = nn.ModuleDict({"generator": generator, "encoder": encoder})
        if initial is not None:
            load_weights(Path(initial), self.networks)
        self.generator = generator.to(memory_format=torch.channels_last)
        self.encoder = encoder.to(memory_format=torch.channels_last).train()
        self.perceptual = perceptual
        self.synthetic_share = synthetic_share
        self.vary_size = vary_size
        self.weights = {
            "pixel": pixel_weight,
            "squared": squared_weight,
            "pyramid": pyramid_weight,
            "perceptual": perceptual_weight if perceptual is not None else 0.0,
            "feature": feature_weight,
            "code": code_weight,
            "regularization": regularization_weight,
        }

        generator.requires_grad_(False)
        groups = [{"params": list(encoder.parameters()), "peak": learning_rate}]
        if train_top:
            groups.append({"params": unfreeze_top(generator), "peak": top_learning_rate})
        trained = [parameter for group in groups for parameter in group["params"]]
        for module in encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                # Batches of few crops: running statistics have to average over many of them.
                module.momentum = 0.02
                module.train(not freeze_statistics)
        update = Update(
            trained,
            torch.optim.Adam(groups, betas=(0.9, 0.99)),
            precision=precision,
            num_accumulate=num_accumulate,
        )
        super().__init__(
            self.networks,
            update,
            num_steps=num_steps,
            num_warmup=num_warmup,
            ema_half_life=ema_half_life,
        )

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        self.networks.to(device)
        self.averaged.to(device)
        if self.perceptual is not None:
            self.perceptual.to(device)

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Sums the weighted terms over real pictures, ``[B, 3, S, S]``, and sampled ones."""
        image = batch["image"]
        num_synthetic = round(self.synthetic_share * image.shape[0])
        real = image[num_synthetic:]
        terms: Terms = {}
        if len(real):
            # Sides that the networks can take.
            unit = 32 * max(1, self.generator.resolution // 256)
            terms = self._compare(random_crop(real, unit) if self.vary_size else real)[0]
        if num_synthetic:
            sampled, codes, features = self._sample(num_synthetic, image.device)
            synthetic, w_plus, feature = self._compare(sampled)
            share = num_synthetic / len(image)
            terms = {k: torch.lerp(terms.get(k, v), v, share) for k, v in synthetic.items()}
            terms["code"] = (w_plus - codes).square().mean()
            terms["feature"] = (feature - features).square().mean()
        total = torch.stack(
            [self.weights[name] * term.float() for name, term in terms.items()]
        ).sum()
        return total, {**terms, "rmse": terms["squared"].sqrt() * 127.5}

    def _compare(self, image: Tensor) -> tuple[Terms, Tensor, Tensor]:
        """Inverts pictures; returns the terms, w+ and D^10."""
        w_plus, feature = self.encoder(encoder_input(image, self.generator))
        layers = self.generator.features(w_plus, start=(FEATURE_LAYER, feature))
        images = self.generator.partial_images(layers, w_plus)
        difference = images[-1] - image
        terms = {
            "pixel": difference.abs().mean(),
            "squared": difference.square().mean(),
            "regularization": (w_plus - self.encoder.w_mean).square().mean(),
        }
        if self.weights["pyramid"]:
            terms["pyramid"] = pyramid_error(images, image)
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(images[-1], image)
        return terms, w_plus, feature

    @torch.no_grad()
    def _sample(self, count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        z = torch.randn(count, self.generator.style_dim, device=device)
        w_plus = self.generator.repeat_w(self.generator.mapping(z))
        features = self.generator.features(w_plus)
        image = self.generator.render(features, w_plus).clamp(-1.0, 1.0)
        return image, w_plus, features[FEATURE_LAYER].float()

    def export(self, directory: Path) -> None:
        """Writes the averaged networks as ``generator.safetensors`` and ``encoder.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "encoder", "step": str(self.step_number)}
        for name, module in self._averaged_networks().items():
            checkpoints.save(directory / f"{name}.safetensors", module, notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Pictures, then their inversions, ``{"inversion": [2 B, 3, S, S]}``."""
        networks = self._averaged_networks()
        generator = cast(Generator, networks["generator"])
        image = batch["image"]
        w_plus, feature = networks["encoder"](encoder_input(image, self.generator))
        inverted = generator.render(generator.features(w_plus, (FEATURE_LAYER, feature)), w_plus)
        return {"inversion": torch.cat([image, inverted.clamp(-1.0, 1.0)])}

    def _averaged_networks(self) -> nn.ModuleDict:
        return cast(nn.ModuleDict, self.averaged.module.eval())


def random_crop(image: Tensor, unit: int) -> Tensor:
    """Crops a batch to a random size and aspect, so that the encoder suits any size.

    Args:
        image: ``[B, C, H, W]``, at least ``unit`` on each side.
        unit: Divisor of the sides, which are at least about half as long as the picture's.
    """
    tops_and_sides = []
    for length in image.shape[2:]:
        most = length // unit
        side = unit * int(torch.randint((most + 1) // 2, most + 1, ()))
        tops_and_sides.append((int(torch.randint(length - side + 1, ())), side))
    (top, height), (left, width) = tops_and_sides
    return image[:, :, top : top + height, left : left + width]
