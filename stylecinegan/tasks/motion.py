"""Training of the motion generator (Sec. 3.3)."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from stylecinegan import checkpoints, visualization
from stylecinegan.losses.adversarial import perceptual_distance
from stylecinegan.losses.motion import end_point_error, feature_matching, least_squares
from stylecinegan.motion.discriminator import MultiScaleDiscriminator
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.training import distributed
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.schedule import cosine_rate
from stylecinegan.training.update import Precision, Update

Terms = dict[str, Tensor]

NUM_SHOWN = 8


class MotionTask:
    """Trains a :class:`MotionGenerator` on photos and their Eulerian motion.

    **Direction.** A photo does not determine whether clouds or a lake move left or right, and a
    network trained on both predicts their mean, no motion. So clips are mirrored together with
    their motion such that the mean motion points right, as does all synthetic motion. Unlike time
    reversal, mirroring is physically valid and keeps motion that the photo does determine, such as
    that of a waterfall or a river. ``text=`` and ``arrows=`` choose other directions.

    Args:
        generator: The network to train.
        discriminator: Discriminator of photo and motion; ``None`` drops the adversarial terms.
        perceptual: Feature network of the perceptual term; ``None`` drops it.
        end_point_weight: Weight of the end-point error.
        adversarial_weight: Weight of the least-squares adversarial term.
        matching_weight: Weight of feature matching.
        perceptual_weight: Weight of the perceptual distance of (x, y, speed) as RGB.
        learning_rate: Peak learning rate of Adam for both networks.
        num_steps: Length of the cosine schedule that lowers the learning rate to 1 %.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Compute dtype of the networks.
        num_accumulate: Parts that a batch is split into.
    """

    def __init__(
        self,
        generator: MotionGenerator,
        discriminator: MultiScaleDiscriminator | None = None,
        *,
        perceptual: nn.Module | None = None,
        end_point_weight: float = 10.0,
        adversarial_weight: float = 1.0,
        matching_weight: float = 10.0,
        perceptual_weight: float = 1.0,
        learning_rate: float = 2e-4,
        num_steps: int = 100_000,
        ema_half_life: float = 2000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator
        self.perceptual = perceptual
        self.weights = {
            "end_point": end_point_weight,
            "adversarial": adversarial_weight,
            "matching": matching_weight,
            "perceptual": perceptual_weight,
        }
        self.learning_rate = learning_rate
        self.num_steps = num_steps
        self.step_number = 0
        self._fakes: list[Tensor] = []

        def make_update(module: nn.Module) -> Update:
            parameters = list(module.parameters())
            optimizer = torch.optim.Adam(parameters, learning_rate, betas=(0.5, 0.999))
            return Update(parameters, optimizer, precision=precision, num_accumulate=num_accumulate)

        self.generator_update = make_update(generator)
        self.discriminator_update = make_update(discriminator) if discriminator else None
        self.averaged = ExponentialMovingAverage(generator, half_life=ema_half_life)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        for module in (self.generator, self.discriminator, self.averaged, self.perceptual):
            if module is not None:
                module.to(device)

    def step(self, batch: Terms) -> Terms:
        """Updates the generator, then the discriminator; returns the loss terms.

        Args:
            batch: As :class:`~stylecinegan.data.motion_batches.MotionBatches` makes them.
        """
        self._set_learning_rate()
        self._fakes.clear()
        terms = self.generator_update(self.generator_loss, batch)
        if self.discriminator_update is not None:
            pairs = {**batch, "fake": torch.cat(self._fakes)}
            terms |= self.discriminator_update(self.discriminator_loss, pairs)
        self.averaged.update(self.generator, len(batch["image"]) * distributed.world_size())
        self.step_number += 1
        return terms

    def generator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Weighted sum of the terms; keeps the motions for the discriminator."""
        photo = self.generator_input(batch)
        motion = self.generator(photo.contiguous(memory_format=torch.channels_last)).float()
        # Where the true motion is unknown, the generator's replaces it.
        truth = torch.lerp(motion.detach(), batch["motion"], batch["confidence"])
        terms = {"end_point": end_point_error(motion, batch["motion"], batch["confidence"])}
        if self.discriminator is not None:
            self._fakes.append(motion.detach())
            fake = self.discriminator(torch.cat([photo, motion], dim=1))
            with torch.no_grad():
                real = self.discriminator(torch.cat([photo, truth], dim=1))
            terms["adversarial"] = least_squares(fake, 1.0)
            terms["matching"] = feature_matching(fake, real)
        if self.perceptual is not None:
            pictures = _as_picture(motion), _as_picture(truth)
            terms["perceptual"] = perceptual_distance(self.perceptual, *pictures)
        total = torch.stack([self.weights[name] * term.float() for name, term in terms.items()])
        return total.sum(), {**terms, **_by_origin(motion, batch)}

    def discriminator_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Least-squares loss on true motions and those of this step."""
        assert self.discriminator is not None
        photo = self.generator_input(batch)
        truth = torch.lerp(batch["fake"], batch["motion"], batch["confidence"])
        real = least_squares(self.discriminator(torch.cat([photo, truth], dim=1)), 1.0)
        fake = least_squares(self.discriminator(torch.cat([photo, batch["fake"]], dim=1)), 0.0)
        loss = 0.5 * (real + fake)
        return loss, {"discriminator": loss}

    def generator_input(self, batch: Terms) -> Tensor:
        """The photo, ``[B, 3, S, S]``, and the classes if the generator has channels for them."""
        if self.generator.in_channels == 3:
            return batch["image"]
        return torch.cat([batch["image"], batch["classes"]], dim=1)

    def state_dict(self) -> dict:
        """State of a resumable run."""
        state = {
            "generator": self.generator.state_dict(),
            "averaged": self.averaged.state_dict(),
            "generator_update": self.generator_update.state_dict(),
            "step": self.step_number,
        }
        if self.discriminator is not None and self.discriminator_update is not None:
            state["discriminator"] = self.discriminator.state_dict()
            state["discriminator_update"] = self.discriminator_update.state_dict()
        return state

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        self.generator.load_state_dict(state["generator"])
        self.averaged.load_state_dict(state["averaged"])
        self.generator_update.load_state_dict(state["generator_update"])
        self.step_number = state["step"]
        if self.discriminator is not None and self.discriminator_update is not None:
            self.discriminator.load_state_dict(state["discriminator"])
            self.discriminator_update.load_state_dict(state["discriminator_update"])

    def export(self, directory: Path) -> None:
        """Writes the averaged generator as ``motion.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "motion", "step": str(self.step_number)}
        checkpoints.save(directory / "motion.safetensors", self.averaged.module, notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Photos, true and predicted motion in three rows, ``{"motion": [3 B, 3, S, S]}``."""
        generator = cast(MotionGenerator, self.averaged.module).eval()
        motion = generator(self.generator_input(batch)[:NUM_SHOWN]).float()
        truth = (batch["motion"] * batch["confidence"])[:NUM_SHOWN]
        shown = [
            visualization.motion_to_image(field[None], max_speed=1.5)
            for fields in (truth, motion)
            for field in fields
        ]
        return {"motion": torch.cat([batch["image"][:NUM_SHOWN], *shown])}

    def _set_learning_rate(self) -> None:
        rate = self.learning_rate * cosine_rate(self.step_number, self.num_steps, num_warmup=1)
        for update in (self.generator_update, self.discriminator_update):
            if update is not None:
                for group in update.optimizer.param_groups:
                    group["lr"] = rate


def _by_origin(motion: Tensor, batch: Terms) -> Terms:
    """End-point errors on real clips and on synthetic motion, for the log."""
    terms = {}
    for name, chosen in (("real", batch["is_real"] > 0), ("synthetic", batch["is_real"] == 0)):
        if bool(chosen.any()):
            part = (motion[chosen], batch["motion"][chosen], batch["confidence"][chosen])
            terms[f"end_point_{name}"] = end_point_error(*part).detach()
    return terms


def _as_picture(motion: Tensor) -> Tensor:
    """Motion as a picture of the channels x, y and speed, ``[B, 3, H, W]``."""
    speed = (motion.square().sum(dim=1, keepdim=True) + 1e-6).sqrt()
    return torch.cat([motion, 2.0 * speed - 1.0], dim=1).clamp(-1.0, 1.0)
