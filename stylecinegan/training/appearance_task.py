"""Teaches a generator's top to take the colours that w+ tells (Sec. 3.4, Eqs. 5 to 7)."""

import copy
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.training import distributed
from stylecinegan.training.colors import transfer_colors
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.generator_setup import load_weights, unfreeze_top
from stylecinegan.training.losses import pyramid_error
from stylecinegan.training.schedule import cosine_rate
from stylecinegan.training.update import Precision, Update

Terms = dict[str, Tensor]


class AppearanceTask:
    """Trains the layers after D^10, and the style branch's heads for them, to change colours.

    In a StyleGAN that was trained as a GAN the codes of the last layers set the colours. A top that
    was trained as a decoder takes all from D^10 and leaves the codes alone. Here it learns to use
    them: from D^10 of one photo and codes between its own and those of another it is to make the
    photo with its colours moved as far towards the other's; from D^10 and codes of the same photo,
    that photo. Samples (all codes one w) are to stay what they are.

    D^10, the layers before it and the blocks of the encoder stay as they are.

    Args:
        generator: The generator.
        encoder: Its encoder.
        initial: Folder of ``generator.safetensors`` and ``encoder.safetensors`` to start from.
        window: Side of the part of D^10 that is rendered, in its pixels; by default all of it. The
            codes then still tell the colours of whole pictures, which those of crops differ from.
        synthetic_share: Samples for each photo.
        squared_weight: Weight of the mean squared error beside the mean absolute one.
        own_weight: Weight of the photos in their own colours.
        changed_weight: Weight of the pictures with changed colours.
        synthetic_weight: Weight of the samples.
        pyramid_weight: As in :class:`~stylecinegan.training.encoder_task.EncoderTask`.
        learning_rate: Peak of Adam's for the heads.
        top_learning_rate: The same for the top.
        num_steps: Length of the cosine schedule that lowers the learning rate to 1 %.
        num_warmup: Steps over which the learning rate rises.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Arithmetic of the networks.
        num_accumulate: Parts that a batch is split into.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: FeatureStyleEncoder,
        *,
        initial: str | Path | None = None,
        window: int | None = None,
        synthetic_share: float = 0.25,
        squared_weight: float = 10.0,
        own_weight: float = 1.0,
        changed_weight: float = 1.0,
        synthetic_weight: float = 1.0,
        pyramid_weight: float = 0.3,
        learning_rate: float = 1e-3,
        top_learning_rate: float = 5e-3,
        num_steps: int = 4000,
        num_warmup: int = 50,
        ema_half_life: float = 2000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        self.networks = nn.ModuleDict({"generator": generator, "encoder": encoder.eval()})
        if initial is not None:
            load_weights(Path(initial), self.networks)
        self.networks.to(memory_format=torch.channels_last).requires_grad_(False)
        self.generator = generator
        self.encoder = encoder
        self.before = copy.deepcopy(generator)
        self.window = window
        self.synthetic_share = synthetic_share
        self.squared_weight = squared_weight
        self.weights = {
            "own": own_weight,
            "changed": changed_weight,
            "synthetic": synthetic_weight,
            "pyramid": pyramid_weight,
        }
        self.num_steps = num_steps
        self.num_warmup = num_warmup
        self.step_number = 0

        heads = list(encoder.styles[FEATURE_LAYER - 1 :].requires_grad_(True).parameters())
        top = unfreeze_top(generator)
        groups = [
            {"params": heads, "peak": learning_rate},
            {"params": top, "peak": top_learning_rate},
        ]
        self.update = Update(
            [*heads, *top],
            torch.optim.Adam(groups, betas=(0.9, 0.99)),
            precision=precision,
            num_accumulate=num_accumulate,
        )
        self.averaged = ExponentialMovingAverage(self.networks, half_life=ema_half_life)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        for module in (self.networks, self.averaged, self.before):
            module.to(device)

    def step(self, batch: Terms) -> Terms:
        """Runs one optimisation step on ``{"image": [B, 3, S, S]}``; returns the loss terms."""
        rate = cosine_rate(self.step_number, self.num_steps, self.num_warmup)
        for group in self.update.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        terms = self.update(self.loss, batch)
        self.averaged.update(self.networks, len(batch["image"]) * distributed.world_size())
        self.step_number += 1
        return terms

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Sums the errors of photos, of photos in other colours and of samples."""
        image = batch["image"]
        w_plus, feature = self.encoder(image)
        amount = torch.rand(len(image), 1, 1, 1, device=image.device)
        codes = torch.lerp(w_plus, w_plus.roll(1, 0), amount[:, 0])  # Eq. 5
        target = transfer_colors(image, image.roll(1, 0), amount)
        feature, image, target = self._cut(feature, image, target)
        terms: Terms = {}
        own = self._render(feature, w_plus)
        terms["own"] = self._error(own[-1], image)
        terms["pyramid"] = pyramid_error(own, image)
        terms["changed"] = self._error(self._render(feature, codes)[-1], target)
        if count := round(self.synthetic_share * len(image)):
            w_plus, feature, expected = self._sample(count, image.device)
            feature, expected = self._cut(feature, expected)
            terms["synthetic"] = self._error(self._render(feature, w_plus)[-1], expected)
        total = torch.stack([self.weights[name] * term.float() for name, term in terms.items()])
        rmse = (own[-1] - image).square().mean().sqrt() * 127.5
        return total.sum(), {**terms, "rmse": rmse}

    def _cut(self, feature: Tensor, *images: Tensor) -> list[Tensor]:
        """Cuts the same random window out of D^10 and out of pictures."""
        if self.window is None:
            return [feature, *images]
        boxes = []
        for length in feature.shape[2:]:
            side = min(self.window, length)
            boxes.append((int(torch.randint(length - side + 1, ())), side))
        (top, height), (left, width) = boxes
        result = []
        for x in (feature, *images):
            scale = x.shape[2] // feature.shape[2]
            rows = slice(top * scale, (top + height) * scale)
            result.append(x[:, :, rows, left * scale : (left + width) * scale])
        return result

    def _render(self, feature: Tensor, w_plus: Tensor) -> list[Tensor]:
        features = self.generator.features(w_plus, start=(FEATURE_LAYER, feature))
        return self.generator.partial_images(features, w_plus)

    def _error(self, picture: Tensor, target: Tensor) -> Tensor:
        difference = picture - target
        return difference.abs().mean() + self.squared_weight * difference.square().mean()

    @torch.no_grad()
    def _sample(self, count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        z = torch.randn(count, self.before.style_dim, device=device)
        w_plus = self.before.repeat_w(self.before.mapping(z))
        features = self.before.features(w_plus)
        return w_plus, features[FEATURE_LAYER], self.before.render(features, w_plus)

    def state_dict(self) -> dict:
        """Everything that a resumed run needs."""
        return {
            "networks": self.networks.state_dict(),
            "averaged": self.averaged.state_dict(),
            "before": self.before.state_dict(),
            "update": self.update.state_dict(),
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores what :meth:`state_dict` gave."""
        self.networks.load_state_dict(state["networks"])
        self.averaged.load_state_dict(state["averaged"])
        self.before.load_state_dict(state["before"])
        self.update.load_state_dict(state["update"])
        self.step_number = state["step"]

    def export(self, directory: Path) -> None:
        """Writes the averaged networks as ``generator.safetensors`` and ``encoder.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "appearance", "step": str(self.step_number)}
        for name, module in self.averaged.module.named_children():
            checkpoints.save(directory / f"{name}.safetensors", module, notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Photos, their inversions, each in the next one's colours, and what was aimed at."""
        networks = dict(self.averaged.module.eval().named_children())
        generator = cast(Generator, networks["generator"])
        image = batch["image"]
        w_plus, feature = networks["encoder"](image)
        shown = [image]
        for codes in (w_plus, w_plus.roll(1, 0)):
            features = generator.features(codes, start=(FEATURE_LAYER, feature))
            shown.append(generator.render(features, codes).clamp(-1.0, 1.0))
        return {"colors": torch.cat([*shown, transfer_colors(image, image.roll(1, 0))])}
