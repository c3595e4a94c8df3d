"""Training of the mask ensemble (Sec. 3.2)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.mask.ensemble import MaskEnsemble
from stylecinegan.mask.semantic_features import ContextKind, SemanticContext
from stylecinegan.tasks.logit_offsets import logit_shift
from stylecinegan.tasks.pixel_sampling import Networks, sample_pixels
from stylecinegan.tasks.replay_buffer import FeatureMemory, PixelSamples, bootstrap
from stylecinegan.training.update import Precision, Update

Terms = dict[str, Tensor]

_NUM_SHIFTED = 1024
"""Photos by which :func:`~stylecinegan.tasks.logit_offsets.logit_shift` is found, at most."""


class MaskTask:
    """Trains a :class:`MaskEnsemble` on inverted photos and their labels by cross-entropy.

    What is added to D* stays as it is given:
    :class:`~stylecinegan.tasks.semantic.SemanticTask` trains it.

    Every step inverts a batch of photos, samples pixels of them (DatasetGAN keeps all: 160 GB for
    1024x1024) and puts both into a memory that the updates draw from. Each member starts from
    weights of its own and sees a bootstrap of its own: a photo counts for it 0, 1, 2 … times, by a
    Poisson draw that its index fixes. Some photos are only for validation; the best weights by
    their loss are exported, and training ends early where they get no better. The vote is for the
    largest intersection over union (:func:`~stylecinegan.tasks.logit_offsets.logit_shift`).

    A resumed run goes on with the same weights and optimiser, but fills its memory anew: a
    gigabyte of features is not worth saving.

    Args:
        model: The networks.
        contexts: Files, ``mask.safetensors``, whose contexts are taken over, their networks side by
            side; their own arguments replace ``context`` and ``context_width``. Without any a
            context is random.
        num_members: Classifiers.
        hidden: Widths of their hidden layers.
        context: What is added to D*.
        context_width: Width of the context's head.
        num_steps: Length of the learning rate's cosine schedule.
        updates_per_step: Optimisation steps a batch of photos.
        photos_per_update: Photos an update draws from the memory.
        pixels_per_photo: Pixels sampled of a photo.
        memory: Photos remembered; 0.1 MB each with the default model.
        warm_up: Photos to remember before the first update.
        learning_rate: Peak of AdamW's.
        weight_decay: Of AdamW.
        validation_every: One photo in so many is for validation …
        num_validation: … until there are so many.
        patience: Steps without a better validation loss after which nothing is trained any more.
        precision: Arithmetic of the inversion.
    """

    def __init__(
        self,
        model: Networks,
        *,
        contexts: Sequence[str | Path] = (),
        num_members: int = 10,
        hidden: tuple[int, int] = (64, 32),
        context: ContextKind = "semantic",
        context_width: int = 96,
        num_steps: int = 100,
        updates_per_step: int = 8,
        photos_per_update: int = 16,
        pixels_per_photo: int = 160,
        memory: int = 1500,
        warm_up: int = 64,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        validation_every: int = 16,
        num_validation: int = 48,
        patience: int = 60,
        precision: Precision = "fp32",
        model_directory: str | None = None,
    ) -> None:
        del model_directory  # named in the configuration only, for the model to be built from
        self.model = model
        for network in (model.generator, model.encoder):
            network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        around: dict[str, Any] = {"context": context, "context_width": context_width}
        if contexts:
            around, state = _join(contexts)
        self.ensemble = MaskEnsemble(
            num_channels=_num_channels(model.generator),
            num_members=num_members,
            hidden=hidden,
            **around,
        )
        if contexts:
            self.ensemble.context.load_state_dict(state)
        self.ensemble.context.eval().requires_grad_(False)
        self.num_steps = num_steps
        self.updates_per_step = updates_per_step
        self.photos_per_update = photos_per_update
        self.pixels_per_photo = pixels_per_photo
        self.warm_up = warm_up
        self.learning_rate = learning_rate
        self.validation_every = validation_every
        self.patience = patience
        self.precision: Precision = precision
        self.memory = FeatureMemory(memory)
        self.validation = FeatureMemory(num_validation)
        self.step_number = 0
        self.best_step = 0
        self.best_loss = math.inf
        self.best = _copy(self.ensemble)
        parameters = list(self.ensemble.members.parameters())
        self.optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
        self.update = Update(parameters, self.optimizer)

    def to(self, device: torch.device) -> None:
        """Moves the networks; the memory stays with the CPU."""
        self.model.generator.to(device)
        self.model.encoder.to(device)
        self.ensemble.to(device)

    @property
    def is_finished(self) -> bool:
        """Whether the validation loss has stopped falling."""
        since_best = self.step_number - self.best_step
        return math.isfinite(self.best_loss) and since_best > self.patience

    def step(self, batch: Terms) -> Terms:
        """Inverts ``{"image", "label", "index"}`` and takes some updates; returns the terms."""
        self.step_number += 1
        if self.is_finished:
            return {"validation": torch.tensor(self.best_loss)}
        self._remember(batch)
        if len(self.memory) < self.warm_up:
            return {"photos": torch.tensor(float(len(self.memory)))}
        if not self.ensemble.deviation.ne(1.0).any():
            self._fit_scales()
        self.ensemble.members.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self._rate()
        terms: Terms = {}
        for _ in range(self.updates_per_step):
            terms = self.update(self.loss, self.memory.draw(self.photos_per_update).as_batch())
        if self.step_number % 5 == 0 or self.step_number == self.num_steps:
            terms["validation"] = self._validate()
        return terms

    def _rate(self) -> float:
        """Share of the peak learning rate: a short rise and half a cosine down to 2 %."""
        progress = min(1.0, self.step_number / self.num_steps)
        falling = 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * progress))
        return min(1.0, 10.0 * progress + 0.05) * falling

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Sums the members' cross-entropies, weighted by photo and member."""
        samples = PixelSamples(**batch)
        pixels = samples.pixels.to(self.ensemble.mean.device)
        logits = self.ensemble.logits(pixels.flatten(0, 1)).unflatten(1, pixels.shape[:2])
        members = len(self.ensemble.members)
        weights = bootstrap(samples.index, members) if self.ensemble.members.training else None
        losses = (
            F.cross_entropy(
                logits.flatten(0, 2),
                samples.labels.to(logits.device).expand(members, -1, -1).flatten(),
                reduction="none",
            )
            .unflatten(0, logits.shape[:3])
            .mean(dim=2)
        )
        pixel = losses.mean() if weights is None else (losses * weights.to(losses)).mean()
        return pixel, {"pixel": pixel}

    def state_dict(self) -> dict:
        """Everything that a resumed run needs, but for the memory."""
        return {
            "ensemble": self.ensemble.state_dict(),
            "best": self.best,
            "best_step": self.best_step,
            "best_loss": self.best_loss,
            "update": self.update.state_dict(),
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores what :meth:`state_dict` gave."""
        self.ensemble.load_state_dict(state["ensemble"])
        self.best = state["best"]
        self.best_step, self.best_loss = state["best_step"], state["best_loss"]
        self.update.load_state_dict(state["update"])
        self.step_number = state["step"]

    def export(self, directory: Path) -> None:
        """Writes the best ensemble as ``mask.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        best = MaskEnsemble(**self.ensemble.arguments)  # pyright: ignore
        best.load_state_dict(self.best)
        notes = {"task": "mask", "step": str(self.best_step), "loss": f"{self.best_loss:.4f}"}
        checkpoints.save(directory / "mask.safetensors", best, notes=notes, use_bytes=True)

    @torch.no_grad()
    def _remember(self, batch: Terms) -> None:
        for chosen, memory in self._split(batch["index"]):
            is_complete = memory is self.validation and len(memory) == memory.capacity
            if chosen.any() and not is_complete:
                part = {name: tensor[chosen] for name, tensor in batch.items()}
                memory.add(
                    sample_pixels(
                        self.model,
                        self.ensemble.context,
                        part,
                        self.pixels_per_photo,
                        precision=self.precision,
                    )
                )

    def _split(self, index: Tensor) -> list[tuple[Tensor, FeatureMemory]]:
        is_validation = index % self.validation_every == self.validation_every - 1
        return [(~is_validation, self.memory), (is_validation, self.validation)]

    @torch.no_grad()
    def _fit_scales(self) -> None:
        """Sets the statistics that D* is standardised with."""
        pixels = self.memory.draw(min(256, len(self.memory))).pixels.flatten(0, 1)
        self.ensemble.mean.copy_(pixels.mean(dim=0))
        self.ensemble.deviation.copy_(pixels.std(dim=0).clamp(min=1e-3))

    @torch.no_grad()
    def _validate(self) -> Tensor:
        self.ensemble.eval()
        losses = []
        memory = self.validation if len(self.validation) else self.memory
        for first in range(0, len(memory), 16):
            places = list(range(first, min(first + 16, len(memory))))
            loss, _ = self.loss(memory.take(places).as_batch())
            losses.append(loss * len(places))
        loss = torch.stack(losses).sum() / len(memory)
        # Losses over different photos do not compare: until the set is complete the latest counts.
        is_complete = len(self.validation) == self.validation.capacity
        if loss.item() < self.best_loss or not is_complete:
            self.best_loss, self.best_step = loss.item(), self.step_number
            self.best = self._with_shift()
        return loss

    def _with_shift(self) -> Terms:
        """The weights, with the vote leaning as :func:`logit_shift` finds."""
        probabilities, labels = [], []
        for memory in (self.memory, self.validation):
            count = min(len(memory), _NUM_SHIFTED)
            for first in range(0, count, 64):
                samples = memory.take(list(range(first, min(first + 64, count))))
                pixels = samples.pixels.flatten(0, 1).to(self.ensemble.mean.device)
                said = self.ensemble.member_probabilities(pixels)
                probabilities.append(said.mean(dim=0).cpu())
                labels.append(samples.labels.flatten())
        shift = logit_shift(torch.cat(probabilities), torch.cat(labels))
        return {**_copy(self.ensemble), "logit_shift": shift}


def _join(files: Sequence[str | Path]) -> tuple[dict[str, Any], Terms]:
    """Arguments and weights of a context that has the networks of all files, in their order."""
    width, count = None, 0
    state: Terms = {}
    for file in files:
        given = checkpoints.load(file, MaskEnsemble)
        if not isinstance(given.context, SemanticContext):
            raise InputError(f"wanted the weights of a semantic context, found none in {file}")
        own = given.arguments["context_width"]
        if width not in (None, own):
            raise InputError(f"wanted contexts of the same width {width}, found {own} in {file}")
        width = own
        for network in given.context.networks:
            prefix = f"networks.{count}."
            state |= {prefix + name: tensor for name, tensor in network.state_dict().items()}
            count += 1
    around = {"context": "semantic", "context_width": width, "context_networks": count}
    return around, state


def _copy(ensemble: nn.Module) -> Terms:
    return {name: tensor.detach().cpu().clone() for name, tensor in ensemble.state_dict().items()}


def _num_channels(generator: Generator) -> int:
    """Channels of D*, from D^10 to the last layer: one for D^10's resolution, then two each."""
    widths = [width for side, width in generator.channels.items() if side > 64]
    return generator.channels[64] + 2 * sum(widths)
