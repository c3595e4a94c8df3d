"""Adversarial training of the generator (StyleGAN2), all layers or those up to D^10."""

from pathlib import Path
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, layer_resolution
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.losses.adversarial import (
    AdversarialKind,
    SqueezeNetFeatures,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    path_lengths,
)
from stylecinegan.tasks.generator_setup import (
    load_weights,
    make_discriminator,
    trained_groups,
    view_layer,
)
from stylecinegan.tasks.reconstruction import Reconstruction, fit_mapping, fix_top_codes
from stylecinegan.training import distributed
from stylecinegan.training.augmentation import augment, draw_numbers
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.update import Precision, Update

Terms = dict[str, Tensor]

NUM_SAMPLES = 25
TRUNCATION = 0.7


class GeneratorTask:
    """Trains a :class:`Generator` against a discriminator.

    A step updates the generator first and then the discriminator on the same fakes, which saves a
    second pass through the generator.

    With an encoder, part of the fakes are reconstructions of photos from their codes alone
    (:class:`Reconstruction`). Its gradients train the layers up to D^10 much faster than those of
    a discriminator, and inversion by w+ alone becomes possible. The target is the encoder's D^10,
    whose feature branch and batch statistics are frozen.

    With ``train_top=False`` the layers after D^10 are frozen; with an encoder their codes are
    first made constant (:func:`fix_top_codes`).

    Args:
        generator: The generator to train.
        encoder: Inverts photos for reconstructions; the heads of its style branch are trained
            too. ``None`` trains without reconstructions.
        discriminator: ``"stylegan2"`` with the logistic loss and R1, or ``"projected"`` with the
            hinge loss, as in its paper; the latter needs ``feature_weights``. Fixed features
            separate early fakes at once: the hinge loss then has no gradient, where the logistic
            loss would keep sharpening the heads.
        feature_weights: ``.npz`` of :class:`SqueezeNetFeatures` for the projected discriminator
            and the perceptual term of reconstructions; ``None`` drops the term.
        discriminator_width: Channels of the projected discriminator's heads.
        initial: Folder of ``generator.safetensors`` (and ``encoder.safetensors``) with the initial
            weights, of the same arguments as the networks.
        train_top: Also trains the layers after D^10 and all to-RGB layers.
        view_resolution: Resolution of the discriminator's input: the partial picture of the
            generator against downsampled photos, which saves the layers above; the full
            resolution by default.
        use_augmentation: Augments the discriminator's input (DiffAugment).
        mixing_probability: Fraction of samples with style mixing.
        r1_weight: γ of the R1 penalty ``γ / 2 · E|∇D(x)|²``; unused by the projected discriminator.
        r1_every: Steps between R1 penalties, weighted up accordingly. They are part of the same
            step, so Adam's hyperparameters need no correction.
        path_weight: Weight of path length regularisation, 0 for none.
        path_every: Steps between path length regularisations, weighted up accordingly.
        reconstruction_share: Fraction of reconstructions among a batch's fakes.
        reconstruction_weight: Weight of the picture's mean absolute error and perceptual distance.
        feature_weight: Weight of the squared error of D^10, relative to its variance. Most of that
            error is detail that codes cannot represent: large weights make pictures grey.
        adversarial_weight: Weight of the generator's adversarial loss.
        code_weight: Weight of the distance between the distributions of w.
        learning_rate: Learning rate of Adam for generator and discriminator.
        mapping_learning_rate: Learning rate of the mapping network, whose learning rate multiplier
            is 0.01; the generator's by default.
        encoder_learning_rate: Learning rate of the encoder's style branch.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Compute dtype of the networks; gradient penalties are in fp32.
        num_accumulate: Parts that a batch is split into.

    Raises:
        InputError: If arguments do not fit each other.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: FeatureStyleEncoder | None = None,
        *,
        discriminator: Literal["stylegan2", "projected"] = "stylegan2",
        feature_weights: str | Path | None = None,
        discriminator_width: int = 64,
        initial: str | Path | None = None,
        train_top: bool = True,
        view_resolution: int | None = None,
        use_augmentation: bool = True,
        mixing_probability: float = 0.9,
        r1_weight: float = 1.0,
        r1_every: int = 16,
        path_weight: float = 0.0,
        path_every: int = 4,
        reconstruction_share: float = 0.5,
        reconstruction_weight: float = 1.0,
        feature_weight: float = 1.0,
        adversarial_weight: float = 1.0,
        code_weight: float = 1.0,
        learning_rate: float = 2e-3,
        mapping_learning_rate: float | None = None,
        encoder_learning_rate: float = 1e-3,
        ema_half_life: float = 10_000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        self.networks = nn.ModuleDict({"generator": generator})
        if encoder is not None:
            self.networks["encoder"] = encoder.eval()
        if initial is not None:
            load_weights(Path(initial), self.networks)
        self.networks.to(memory_format=torch.channels_last)
        self.generator = generator
        self.train_top = train_top
        self.view_layer = view_layer(generator, view_resolution, needs_feature=encoder is not None)
        self.features = SqueezeNetFeatures(feature_weights) if feature_weights else None
        self.kind: AdversarialKind = "hinge" if discriminator == "projected" else "logistic"
        self.reconstruction: Reconstruction | None = None
        if encoder is not None:
            num_codes = generator.num_styles if train_top else FEATURE_LAYER - 1
            self.reconstruction = Reconstruction(encoder, self.features, num_codes=num_codes)
        self.discriminator = make_discriminator(
            discriminator, generator, self.view_layer, self.features, discriminator_width
        ).to(memory_format=torch.channels_last)
        self.use_augmentation = use_augmentation
        self.mixing_probability = mixing_probability
        self.r1_weight = r1_weight if discriminator == "stylegan2" else 0.0
        self.r1_every = r1_every
        self.path_weight = path_weight
        self.path_every = path_every
        self.reconstruction_share = reconstruction_share if encoder is not None else 0.0
        self.weights = {
            "generator": adversarial_weight,
            "code": code_weight,
            "path": path_weight * path_every,
            "feature": feature_weight,
            "pixel": reconstruction_weight,
            "perceptual": reconstruction_weight,
        }
        self.step_number = 0
        self.path_mean = torch.zeros(())
        self._fakes: list[Tensor] = []

        rates = (learning_rate, mapping_learning_rate or learning_rate, encoder_learning_rate)
        groups = trained_groups(generator, encoder, train_top, rates)
        trained = [parameter for group in groups for parameter in group["params"]]
        critics = [p for p in self.discriminator.parameters() if p.requires_grad]
        optimizers = (
            torch.optim.Adam(groups, betas=(0.0, 0.99), eps=1e-8, fused=True),
            torch.optim.Adam(critics, learning_rate, betas=(0.0, 0.99), eps=1e-8, fused=True),
        )
        self.generator_update, self.discriminator_update = (
            Update(parameters, optimizer, precision=precision, num_accumulate=num_accumulate)
            for parameters, optimizer in zip((trained, critics), optimizers, strict=True)
        )
        self.averaged = ExponentialMovingAverage(self.networks, half_life=ema_half_life)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        for module in (self.networks, self.discriminator, self.averaged, self.features):
            if module is not None:
                module.to(device)
        self.path_mean = self.path_mean.to(device)

    def step(self, batch: Terms) -> Terms:
        """Updates generator and discriminator on ``{"image": [B, 3, S, S]}``; returns the terms."""
        image = batch["image"]
        if self.step_number == 0 and self.reconstruction and not self.train_top:
            fix_top_codes(self.generator, self.reconstruction.encoder, image)
        self._fakes.clear()
        terms = self.generator_update(self.generator_loss, self._draw(image))
        pictures = {"real": self._view(image), "fake": torch.cat(self._fakes)}
        for name in ("real", "fake"):
            pictures[f"{name}_numbers"] = draw_numbers(len(image), image.device)
        terms |= self.discriminator_update(self.discriminator_loss, pictures)
        self.averaged.update(self.networks, len(image) * distributed.world_size())
        self.step_number += 1
        return terms

    def generator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Weighted sum of the terms over samples and reconstructions; keeps both as fakes."""
        z = torch.cat([batch["z"], batch["other_z"]])
        w, other_w = self.generator.mapping(z).float().chunk(2)
        w_plus = mix_styles(w, other_w, batch["crossing"], self.generator.num_styles)
        terms: Terms = {}
        photo = batch["image"][: round(self.reconstruction_share * len(w_plus))]
        target = None
        if self.reconstruction and len(photo):
            codes, target, terms["code"] = self.reconstruction.invert(photo, self.generator)
            w_plus = torch.cat([codes, w_plus[len(photo) :].detach()])
        features = self.generator.features(w_plus, last=self.view_layer, use_fresh_noise=True)
        fake = self.generator.render(features, w_plus)
        if self.reconstruction and target is not None:
            feature, picture = features[FEATURE_LAYER][: len(photo)], fake[: len(photo)]
            terms |= self.reconstruction.compare(feature, target, picture, self._view(photo))
        self._fakes.append(fake.detach())
        terms["generator"] = generator_loss(self._discriminate(fake, batch["numbers"]), self.kind)
        if self.path_weight and self.step_number % self.path_every == 0:
            terms["path"] = self._path_penalty(batch["z"][: (len(fake) + 1) // 2])
        total = torch.stack([self.weights[name] * term.float() for name, term in terms.items()])
        return total.sum(), terms

    def discriminator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Adversarial loss on photos and fakes of this step, every ``r1_every`` steps with R1."""
        real = self._discriminate(batch["real"], batch["real_numbers"])
        fake = self._discriminate(batch["fake"], batch["fake_numbers"])
        loss = discriminator_loss(real, fake, self.kind)
        terms = {
            "discriminator": loss,
            "real_logit": torch.stack([x.float().mean() for x in real]).mean(),
            "fake_logit": torch.stack([x.float().mean() for x in fake]).mean(),
        }
        # In the last step of each interval, so that the first step of a run is fast.
        if self.r1_weight and (self.step_number + 1) % self.r1_every == 0:
            with torch.autocast(batch["real"].device.type, enabled=False):
                image = self._augment(batch["real"], batch["real_numbers"]).requires_grad_()
                terms["r1"] = gradient_penalty(self.discriminator(image), image)
            loss = loss + 0.5 * self.r1_weight * self.r1_every * terms["r1"]
        return loss, terms

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {
            "networks": self.networks.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "averaged": self.averaged.state_dict(),
            "generator_update": self.generator_update.state_dict(),
            "discriminator_update": self.discriminator_update.state_dict(),
            "path_mean": self.path_mean,
            "codes": self.reconstruction.codes if self.reconstruction else None,
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        self.networks.load_state_dict(state["networks"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.averaged.load_state_dict(state["averaged"])
        self.generator_update.load_state_dict(state["generator_update"])
        self.discriminator_update.load_state_dict(state["discriminator_update"])
        self.path_mean = state["path_mean"].to(self.path_mean.device, copy=True)
        if self.reconstruction:
            self.reconstruction.codes = state["codes"]
        self.step_number = state["step"]

    def export(self, directory: Path) -> None:
        """Writes the averaged networks: ``generator.safetensors``, ``encoder.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        networks = self._averaged_networks()
        if self.reconstruction and len(self.reconstruction.codes):
            generator = cast(Generator, networks["generator"])
            fit_mapping(generator.mapping.requires_grad_(True), self.reconstruction.codes)
        self._averaged_generator()  # estimates w_mean again
        notes = {"task": "generator", "step": str(self.step_number)}
        for name, module in networks.items():
            checkpoints.save(directory / f"{name}.safetensors", module, notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Samples of seeds 0 to 24 at truncation 0.7, and photos with their reconstructions.

        Returns:
            ``samples``, ``[25, 3, R, R]``, and with an encoder ``reconstruction``.
        """
        generator = self._averaged_generator()
        codes = [generator.sample_w_plus(n, truncation=TRUNCATION) for n in range(NUM_SAMPLES)]
        pictures = {"samples": torch.cat([generator(w_plus).clamp(-1.0, 1.0) for w_plus in codes])}
        if self.reconstruction:
            photo = batch["image"][:8]
            inverted = generator(self._averaged_networks()["encoder"](photo)[0])
            shown = F.interpolate(photo, inverted.shape[2:], mode="bilinear", antialias=True)
            pictures["reconstruction"] = torch.cat([shown, inverted.clamp(-1.0, 1.0)])
        return pictures

    def _averaged_networks(self) -> nn.ModuleDict:
        return cast(nn.ModuleDict, self.averaged.module)

    def _averaged_generator(self) -> Generator:
        generator = cast(Generator, self._averaged_networks()["generator"])
        generator.estimate_w_mean()
        return generator

    def _draw(self, image: Tensor) -> Terms:
        """Adds the random numbers of each picture, so that they are split with the batch."""
        count, device = len(image), image.device
        # The second style begins at a random layer; past the last one without mixing.
        crossing = torch.randint(1, self.generator.num_styles, (count,), device=device)
        is_mixed = torch.rand(count, device=device) < self.mixing_probability
        return {
            "image": image,
            "z": torch.randn(count, self.generator.style_dim, device=device),
            "other_z": torch.randn(count, self.generator.style_dim, device=device),
            "crossing": torch.where(is_mixed, crossing, self.generator.num_styles),
            "numbers": draw_numbers(count, device),
        }

    def _view(self, image: Tensor) -> Tensor:
        """Resizes photos to the discriminator's input."""
        side = layer_resolution(self.view_layer)
        if image.shape[2:] == (side, side):
            return image
        return F.interpolate(image, (side, side), mode="bilinear", antialias=True)

    def _augment(self, image: Tensor, numbers: Tensor) -> Tensor:
        return augment(image, numbers) if self.use_augmentation else image.clone()

    def _discriminate(self, image: Tensor, numbers: Tensor) -> list[Tensor]:
        image = self._augment(image, numbers)
        return self.discriminator(image.contiguous(memory_format=torch.channels_last))

    def _path_penalty(self, z: Tensor) -> Tensor:
        """Path length penalty ``E (|J_w^T y| - a)²``, a the running mean (StyleGAN2, Eq. 4)."""
        with torch.autocast(z.device.type, enabled=False):
            w_plus = self.generator.repeat_w(self.generator.mapping(z))
            features = self.generator.features(w_plus, last=self.view_layer, use_fresh_noise=True)
            lengths = path_lengths(self.generator.render(features, w_plus), w_plus)
        mean = distributed.average_(lengths.detach().mean())
        self.path_mean = torch.lerp(self.path_mean, mean, 0.01)
        return (lengths - self.path_mean).square().mean()


def mix_styles(w: Tensor, other_w: Tensor, crossing: Tensor, num_styles: int) -> Tensor:
    """Style mixing (StyleGAN, Sec. 3.1): codes of one sample, from a layer on those of another.

    Args:
        w: Code before the crossing, ``[B, D]``.
        other_w: Code from the crossing on, ``[B, D]``.
        crossing: Number of layers that have the first code, ``[B]``.
        num_styles: Number of layers.

    Returns:
        w+, ``[B, num_styles, D]``.
    """
    place = torch.arange(num_styles, device=w.device)
    is_first = (place < crossing[:, None]).unsqueeze(2)
    return torch.where(is_first, w.unsqueeze(1), other_w.unsqueeze(1))
