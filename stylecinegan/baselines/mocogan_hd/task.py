"""Training of MoCoGAN-HD's motion generator for our frozen generator (Tian et al. 2021)."""

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints, visualization
from stylecinegan.baselines.mocogan_hd.losses import augment_video, contrastive_loss, view
from stylecinegan.baselines.mocogan_hd.network import (
    ImageDiscriminator,
    NoiseReader,
    TrajectoryGenerator,
    VideoDiscriminator,
)
from stylecinegan.generator import Generator
from stylecinegan.losses.adversarial import discriminator_loss, generator_loss
from stylecinegan.tasks.generator_setup import view_layer
from stylecinegan.training import distributed
from stylecinegan.training.augmentation import draw_numbers
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.update import Precision, Update

Terms = dict[str, Tensor]

FILE_NAME = "mocogan_hd.safetensors"
NUM_SHOWN = 4


class MoCoGANHDTask:
    """Trains a :class:`TrajectoryGenerator` on the motion of real clips.

    As in the paper's cross-domain training, content comes from the generator and motion from the
    clips. The video discriminator compares with real clips. The image discriminator compares later
    frames of a trajectory with first frames, which are samples of the generator, and learns an
    embedding by contrast.

    Differs from the paper: all adversarial terms are hinge losses under spectral normalisation,
    where the released code has a relativistic one with a gradient penalty for videos; videos are
    augmented, because the clips are few; negatives are from the batch, without a memory bank;
    networks are updated in turn, not the motion generator five times as often.

    Args:
        trajectory: Motion generator to train.
        video_discriminator: Discriminator of videos.
        image_discriminator: Discriminator of frames of ``view_resolution``.
        model_directory: Folder of the ``generator.safetensors``; by default the project's model.
        view_resolution: Side of the discriminators' input, the generator's partial picture at this
            resolution, which saves the layers above.
        stride: Steps between the frames of the discriminators' input, as in the real windows.
        truncation: ψ of the initial codes.
        image_weight: Weight of the image discriminator's loss.
        matching_weight: Weight of the distance between the embeddings of a frame and the first.
        noise_weight: Weight of the noise reconstruction (mutual information).
        contrast_weight: Weight of the contrastive loss, as in the released code.
        learning_rate: Learning rate of Adam, for all networks.
        ema_half_life: Half-life of the averaged weights, in videos.
        precision: Compute dtype of the convolutions; trajectories are in fp32.
        num_accumulate: Parts that a batch is split into.
    """

    def __init__(
        self,
        trajectory: TrajectoryGenerator,
        video_discriminator: VideoDiscriminator,
        image_discriminator: ImageDiscriminator,
        *,
        model_directory: str | Path | None = None,
        view_resolution: int = 64,
        stride: int = 1,
        truncation: float = 1.0,
        image_weight: float = 1.0,
        matching_weight: float = 1.0,
        noise_weight: float = 1.0,
        contrast_weight: float = 2.0,
        learning_rate: float = 1e-4,
        ema_half_life: float = 1000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        directory = checkpoints.find_model(model_directory)
        generator = checkpoints.load(directory / "generator.safetensors", Generator)
        self.generator = generator.requires_grad_(False).to(memory_format=torch.channels_last)
        self.view_layer = view_layer(generator, view_resolution, needs_feature=False)
        self.trajectory = trajectory
        trajectory.learn_directions(generator)
        self.motion = nn.ModuleDict(
            {
                "trajectory": trajectory,
                "reader": NoiseReader(trajectory.hidden_dim, trajectory.style_dim),
            }
        )
        self.discriminators = nn.ModuleDict(
            {"video": video_discriminator, "image": image_discriminator}
        )
        self.stride = stride
        self.truncation = truncation
        self.weights = {
            "video": 1.0,
            "image": image_weight,
            "matching": matching_weight,
            "noise": noise_weight,
        }
        self.contrast_weight = contrast_weight
        self.step_number = 0
        self._fakes: list[Tensor] = []

        def make_update(module: nn.Module) -> Update:
            parameters = list(module.parameters())
            optimizer = torch.optim.Adam(parameters, learning_rate, betas=(0.5, 0.999))
            return Update(parameters, optimizer, precision=precision, num_accumulate=num_accumulate)

        self.motion_update = make_update(self.motion)
        self.discriminators_update = make_update(self.discriminators)
        self.averaged = ExponentialMovingAverage(trajectory, half_life=ema_half_life)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        for module in (self.generator, self.motion, self.discriminators, self.averaged):
            module.to(device)

    def step(self, batch: Terms) -> Terms:
        """Updates the motion generator, then the discriminators on its videos; returns the terms.

        Args:
            batch: ``video``, ``[B, T, 3, S, S]`` in [-1, 1], as
                :class:`~stylecinegan.data.clip_windows.ClipWindows` makes them.
        """
        video = batch["video"]
        self._fakes.clear()
        drawn = self._draw(video)
        terms = self.motion_update(self.motion_loss, drawn)
        videos = {**drawn, "real": video, "fake": torch.cat(self._fakes)}
        terms |= self.discriminators_update(self.discriminators_loss, videos)
        self.averaged.update(self.trajectory, len(video) * distributed.world_size())
        self.step_number += 1
        return {**terms, "real_drift": _drift(video)}

    def motion_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Computes the motion generator's loss and keeps its videos for the discriminators."""
        with torch.autocast(batch["z"].device.type, enabled=False):
            w = self.generator.truncate(self.generator.mapping(batch["z"]), self.truncation)
            offsets, states = self.trajectory(w, batch["noise"])
            estimate = self.motion["reader"](states)
        video = self.render(w, offsets[:, :: self.stride])
        self._fakes.append(video.detach())
        first, later = _first_and_later(video, batch["later"])
        logit, embedding = self.discriminators["image"](view(later, batch["later_numbers"]))
        first_embedding = self.discriminators["image"](view(first, batch["first_numbers"]))[1]
        logits = self.discriminators["video"](augment_video(video, batch["numbers"]))
        terms = {
            "video": generator_loss(logits, "hinge"),
            "image": generator_loss([logit], "hinge"),
            "matching": 1.0
            - F.cosine_similarity(embedding.float(), first_embedding.float()).mean(),
            "noise": 1.0 - F.cosine_similarity(estimate, batch["noise"], dim=2).mean(),
        }
        total = torch.stack([self.weights[name] * term.float() for name, term in terms.items()])
        return total.sum(), {**terms, "drift": _drift(video)}

    def discriminators_loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Computes hinge losses on real and generated videos, and the contrastive loss."""
        discriminator = self.discriminators["video"]
        real = discriminator(augment_video(batch["real"], batch["real_numbers"]))
        fake = discriminator(augment_video(batch["fake"], batch["numbers"]))
        views = []
        for picture in _first_and_later(batch["fake"], batch["later"]):
            views += [
                self.discriminators["image"](view(picture, batch[f"{name}_numbers"]))
                for name in ("first", "later")
            ]
        # Two views of first frames, then two of later ones.
        terms = {
            "discriminator_video": discriminator_loss(real, fake, "hinge"),
            "discriminator_image": discriminator_loss(
                [views[0][0], views[1][0]], [views[2][0], views[3][0]], "hinge"
            ),
            "contrast": contrastive_loss(views[0][1], views[1][1])
            + contrastive_loss(views[2][1], views[3][1]),
        }
        loss = terms["discriminator_video"] + terms["discriminator_image"]
        return loss + self.contrast_weight * terms["contrast"], terms

    def render(self, w: Tensor, offsets: Tensor) -> Tensor:
        """Renders trajectories.

        Args:
            w: Initial codes, ``[B, style_dim]``.
            offsets: Offsets at each time, ``[B, T, style_dim]``.

        Returns:
            ``[B, T, 3, S, S]``, about [-1, 1].
        """
        w_plus = self.generator.repeat_w((w[:, None] + offsets).flatten(0, 1))
        features = self.generator.features(w_plus, last=self.view_layer)
        return self.generator.render(features, w_plus).unflatten(0, offsets.shape[:2])

    def _draw(self, video: Tensor) -> Terms:
        """Draws all random numbers of a step, so that they are split with the batch."""
        batch, num_frames = video.shape[:2]
        device, length = video.device, self.generator.style_dim
        num_steps = (num_frames - 1) * self.stride
        drawn = {
            "z": torch.randn(batch, length, device=device),
            "noise": torch.randn(batch, num_steps, length, device=device),
            "later": torch.randint(1, num_frames, (batch,), device=device),
        }
        names = ("numbers", "real_numbers", "first_numbers", "later_numbers")
        return drawn | {name: draw_numbers(batch, device) for name in names}

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {
            "motion": self.motion.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "averaged": self.averaged.state_dict(),
            "motion_update": self.motion_update.state_dict(),
            "discriminators_update": self.discriminators_update.state_dict(),
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state from :meth:`state_dict`."""
        for name in (
            "motion",
            "discriminators",
            "averaged",
            "motion_update",
            "discriminators_update",
        ):
            getattr(self, name).load_state_dict(state[name])
        self.step_number = state["step"]

    def export(self, directory: Path) -> None:
        """Writes the averaged motion generator as ``mocogan_hd.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "mocogan_hd", "step": str(self.step_number)}
        checkpoints.save(directory / FILE_NAME, self.averaged.module, notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Real clips above generated ones, one per row, ``{"videos": [3, H, W]}``."""
        real = batch["video"][:NUM_SHOWN]
        drawn = self._draw(real)
        w = self.generator.truncate(self.generator.mapping(drawn["z"]), self.truncation)
        offsets = cast(TrajectoryGenerator, self.averaged.module)(w, drawn["noise"])[0]
        generated = self.render(w, offsets[:, :: self.stride]).clamp(-1.0, 1.0)
        frames = torch.cat([real, generated]).flatten(0, 1)
        return {"videos": visualization.contact_sheet(frames.split(1), real.shape[1])[0]}


def _first_and_later(video: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
    """First frames and the chosen later ones of each video, ``[B, 3, H, W]`` each."""
    return video[:, 0], video[torch.arange(len(video), device=video.device), later]


def _drift(video: Tensor) -> Tensor:
    """RMSE of the last frame against the first, in [0, 255], for the log."""
    change = (video[:, -1] - video[:, 0]).detach().square().mean(dim=(1, 2, 3))
    return change.sqrt().mean() * 127.5
