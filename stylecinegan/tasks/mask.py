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
from stylecinegan.tasks.replay_buffer import PixelSamples, ReplayBuffer, bootstrap
from stylecinegan.training.update import Precision, Update

Terms = dict[str, Tensor]

_MAX_FITTED = 1024
"""Largest number of photos that the logit offsets are fitted to, per buffer."""


class MaskTask:
    """Trains the pixel classifiers of a :class:`MaskEnsemble` by cross-entropy.

    The semantic networks are frozen; :class:`~stylecinegan.tasks.semantic.SemanticTask` trains
    them.

    Every step inverts a batch of photos, samples pixels of them (DatasetGAN keeps all pixels:
    160 GB at 1024x1024) and adds D* and labels to a replay buffer that the updates draw from. Each
    member has its own initial weights and its own bootstrap: the weight of a photo is Poisson(1)
    distributed, fixed by the photo's index and the member. Some of the photos are for validation:
    the weights with the lowest validation loss are exported, and training stops early when it no
    longer falls. Per-class logit offsets that maximise the IoU are fitted to the averaged
    probabilities (:func:`~stylecinegan.tasks.logit_offsets.logit_shift`).

    A resumed run restores weights and optimiser but refills the replay buffer, which would add a
    gigabyte to every state.

    Args:
        model: Generator and encoder.
        contexts: Files ``mask.safetensors`` whose semantic networks are concatenated, instead of
            networks with random weights; ``context`` and ``context_width`` are then ignored.
        num_members: Number of classifiers.
        hidden: Widths of their hidden layers.
        context: Features that are appended to D*.
        context_width: Channels of the semantic networks' heads.
        num_steps: Length of the learning rate's cosine schedule.
        updates_per_step: Optimisation steps per batch of photos.
        photos_per_update: Photos that an update draws from the replay buffer.
        pixels_per_photo: Pixels sampled per photo.
        memory: Capacity of the replay buffer in photos, 0.1 MB each with the default model.
        warm_up: Photos in the buffer before the first update.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
        validation_every: Every n-th photo is for validation …
        num_validation: … up to this number of photos.
        patience: Steps without a lower validation loss after which training stops.
        precision: Compute dtype of the inversion.
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
    ) -> None:
        self.model = model
        for network in (model.generator, model.encoder):
            network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        context_arguments: dict[str, Any] = {"context": context, "context_width": context_width}
        if contexts:
            context_arguments, state = _join_contexts(contexts)
        self.ensemble = MaskEnsemble(
            num_channels=_num_channels(model.generator),
            num_members=num_members,
            hidden=hidden,
            **context_arguments,
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
        self.replay_buffer = ReplayBuffer(memory)
        self.validation = ReplayBuffer(num_validation)
        self.step_number = 0
        self.best_step = 0
        self.best_loss = math.inf
        self.best = _copy_weights(self.ensemble)
        parameters = list(self.ensemble.members.parameters())
        self.optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
        self.update = Update(parameters, self.optimizer)

    def to(self, device: torch.device) -> None:
        """Moves the networks; the replay buffer stays on the CPU."""
        self.model.generator.to(device)
        self.model.encoder.to(device)
        self.ensemble.to(device)

    @property
    def is_finished(self) -> bool:
        """Whether the validation loss has stopped falling."""
        since_best = self.step_number - self.best_step
        return math.isfinite(self.best_loss) and since_best > self.patience

    def step(self, batch: Terms) -> Terms:
        """Inverts ``{"image", "label", "index"}`` and runs the updates; returns the loss terms."""
        self.step_number += 1
        if self.is_finished:
            return {"validation": torch.tensor(self.best_loss)}
        self._add_samples(batch)
        if len(self.replay_buffer) < self.warm_up:
            return {"photos": torch.tensor(float(len(self.replay_buffer)))}
        if not self.ensemble.deviation.ne(1.0).any():
            self._estimate_statistics()
        self.ensemble.members.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self._rate()
        terms: Terms = {}
        for _ in range(self.updates_per_step):
            samples = self.replay_buffer.draw(self.photos_per_update)
            terms = self.update(self.loss, samples.as_batch())
        if self.step_number % 5 == 0 or self.step_number == self.num_steps:
            terms["validation"] = self._validate()
        return terms

    def _rate(self) -> float:
        """Factor of the peak learning rate: linear warm-up, then half a cosine down to 2 %."""
        progress = min(1.0, self.step_number / self.num_steps)
        falling = 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * progress))
        return min(1.0, 10.0 * progress + 0.05) * falling

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Mean cross-entropy of all members, with their bootstrap weights in training."""
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
        """State of a resumable run, without the replay buffer."""
        return {
            "ensemble": self.ensemble.state_dict(),
            "best": self.best,
            "best_step": self.best_step,
            "best_loss": self.best_loss,
            "update": self.update.state_dict(),
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
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
    def _add_samples(self, batch: Terms) -> None:
        """Adds pixels of a batch of photos to the buffers."""
        for chosen, buffer in self._split(batch["index"]):
            is_complete = buffer is self.validation and len(buffer) == buffer.capacity
            if chosen.any() and not is_complete:
                part = {name: tensor[chosen] for name, tensor in batch.items()}
                buffer.add(
                    sample_pixels(
                        self.model,
                        self.ensemble.context,
                        part,
                        self.pixels_per_photo,
                        precision=self.precision,
                    )
                )

    def _split(self, index: Tensor) -> list[tuple[Tensor, ReplayBuffer]]:
        is_validation = index % self.validation_every == self.validation_every - 1
        return [(~is_validation, self.replay_buffer), (is_validation, self.validation)]

    @torch.no_grad()
    def _estimate_statistics(self) -> None:
        """Estimates the mean and deviation that D* is standardised with."""
        count = min(256, len(self.replay_buffer))
        pixels = self.replay_buffer.draw(count).pixels.flatten(0, 1)
        self.ensemble.mean.copy_(pixels.mean(dim=0))
        self.ensemble.deviation.copy_(pixels.std(dim=0).clamp(min=1e-3))

    @torch.no_grad()
    def _validate(self) -> Tensor:
        self.ensemble.eval()
        losses = []
        buffer = self.validation if len(self.validation) else self.replay_buffer
        for first in range(0, len(buffer), 16):
            positions = list(range(first, min(first + 16, len(buffer))))
            loss, _ = self.loss(buffer.take(positions).as_batch())
            losses.append(loss * len(positions))
        loss = torch.stack(losses).sum() / len(buffer)
        # Until the set is complete, losses are over different photos: the latest weights count.
        is_complete = len(self.validation) == self.validation.capacity
        if loss.item() < self.best_loss or not is_complete:
            self.best_loss, self.best_step = loss.item(), self.step_number
            self.best = self._weights_with_offsets()
        return loss

    def _weights_with_offsets(self) -> Terms:
        """The ensemble's weights, with logit offsets fitted to all samples."""
        probabilities, labels = [], []
        for buffer in (self.replay_buffer, self.validation):
            count = min(len(buffer), _MAX_FITTED)
            for first in range(0, count, 64):
                samples = buffer.take(list(range(first, min(first + 64, count))))
                pixels = samples.pixels.flatten(0, 1).to(self.ensemble.mean.device)
                members = self.ensemble.member_probabilities(pixels)
                probabilities.append(members.mean(dim=0).cpu())
                labels.append(samples.labels.flatten())
        shift = logit_shift(torch.cat(probabilities), torch.cat(labels))
        return {**_copy_weights(self.ensemble), "logit_shift": shift}


def _join_contexts(files: Sequence[str | Path]) -> tuple[dict[str, Any], Terms]:
    """Arguments and weights of a context with the networks of all files, in order."""
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
    arguments = {"context": "semantic", "context_width": width, "context_networks": count}
    return arguments, state


def _copy_weights(ensemble: nn.Module) -> Terms:
    return {name: tensor.detach().cpu().clone() for name, tensor in ensemble.state_dict().items()}


def _num_channels(generator: Generator) -> int:
    """Channels of D*: those of one layer at D^10's resolution and of two at each finer one."""
    widths = [width for side, width in generator.channels.items() if side > 64]
    return generator.channels[64] + 2 * sum(widths)
