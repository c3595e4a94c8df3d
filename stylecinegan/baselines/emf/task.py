"""Training of Eulerian Motion Fields (EMF, Holynski et al. 2021), a method of Table 1."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.baselines.emf.network import SplattingNetwork, splat_symmetrically
from stylecinegan.losses.adversarial import perceptual_distance
from stylecinegan.tasks.supervised import SupervisedTask, Terms
from stylecinegan.training.update import Precision, Update

NUM_SHOWN = 8


class EMFTask(SupervisedTask):
    """Trains a :class:`SplattingNetwork` on spans of real clips.

    Both ends of a span are encoded, splatted to a time between them and decoded; the target is the
    clip's frame. For still photos all three frames are equal.

    Differs from the paper: there is no adversarial term, to keep training short.

    Args:
        network: The network to train.
        perceptual: Feature network of the perceptual term; by default there is none.
        pixel_weight: Weight of the mean absolute error.
        perceptual_weight: Weight of the perceptual distance.
        learning_rate: Adam's peak learning rate.
        num_steps: Length of the cosine schedule that lowers the learning rate to 1 %.
        num_warmup: Steps over which the learning rate rises.
        ema_half_life: Half-life of the averaged weights, in samples.
        precision: Compute dtype.
        num_accumulate: Parts that a batch is split into.
    """

    def __init__(
        self,
        network: SplattingNetwork,
        *,
        perceptual: nn.Module | None = None,
        pixel_weight: float = 1.0,
        perceptual_weight: float = 0.3,
        learning_rate: float = 1e-3,
        num_steps: int = 100_000,
        num_warmup: int = 100,
        ema_half_life: float = 2000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        self.network = network.to(memory_format=torch.channels_last)
        self.perceptual = perceptual
        self.weights = {"pixel": pixel_weight, "perceptual": perceptual_weight}
        parameters = list(network.parameters())
        optimizer = torch.optim.Adam(parameters, learning_rate, betas=(0.9, 0.99))
        update = Update(parameters, optimizer, precision=precision, num_accumulate=num_accumulate)
        super().__init__(
            network,
            update,
            num_steps=num_steps,
            num_warmup=num_warmup,
            ema_half_life=ema_half_life,
        )

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        for module in (self.network, self.averaged, self.perceptual):
            if module is not None:
                module.to(device)

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Computes the weighted sum of the loss terms, and the terms.

        Args:
            batch: A batch of :class:`~stylecinegan.data.clip_spans.ClipSpans`.
        """
        picture, image = interpolate(self.network, batch), batch["image"]
        terms = {"pixel": (picture - image).abs().mean()}
        if self.perceptual is not None:
            terms["perceptual"] = perceptual_distance(self.perceptual, picture, image)
        total = torch.stack([self.weights[name] * term.float() for name, term in terms.items()])
        return total.sum(), terms

    def export(self, directory: Path) -> None:
        """Writes the averaged network as ``emf.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "emf", "step": str(self.step_number)}
        checkpoints.save(directory / "emf.safetensors", self.averaged.module, notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """First, true and predicted frames, one row each, ``{"between": [3 B, 3, S, S]}``."""
        shown = {name: tensor[:NUM_SHOWN] for name, tensor in batch.items()}
        picture = interpolate(cast(SplattingNetwork, self.averaged.module), shown)
        pictures = [shown["first"], shown["image"], picture.clamp(-1.0, 1.0)]
        return {"between": torch.cat(pictures)}


def interpolate(network: SplattingNetwork, batch: Terms) -> Tensor:
    """Predicts the frames between both ends of spans.

    Args:
        network: The network.
        batch: As for :meth:`EMFTask.loss`.

    Returns:
        ``[B, 3, S, S]``, about [-1, 1], not clamped.
    """
    ends = torch.cat([batch["first"], batch["last"]])
    features, weights = network.encode(ends.contiguous(memory_format=torch.channels_last))
    first, last = zip(features.chunk(2), weights.chunk(2), strict=True)
    splatted = splat_symmetrically(
        first, last, batch["from_start"], batch["from_end"], batch["progress"]
    )
    return network.decode(splatted.contiguous(memory_format=torch.channels_last))
