"""MoCoGAN-HD (Tian et al. 2021): a video as a trajectory in the generator's latent space."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from stylecinegan import StyleCineGAN, checkpoints
from stylecinegan.baselines.mocogan_hd.network import TrajectoryGenerator
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.checkpoints.fingerprints import fingerprint
from stylecinegan.errors import InputError
from stylecinegan.framing import resize
from stylecinegan.generator.stylegan2 import FEATURE_LAYER

WEIGHTS = checkpoints.CHECKPOINTS_DIR / "baselines/mocogan_hd.safetensors"
"""Weights trained for the project's generator by ``experiment=mocogan_hd``."""


class MoCoGANHD:
    """Generates each frame from a latent code that follows a trajectory.

    Mask and motion are not used. Videos may be longer than in training. The trajectory of a photo
    starts at its inversion w+, without D^10, which would be the same in all frames.

    Args:
        weights: File of the :class:`TrajectoryGenerator`; by default the project's.
        seed: Seed of the noise, combined with the scene's name.

    Raises:
        InputError: If the file is missing or damaged.
    """

    def __init__(self, weights: str | Path | None = None, *, seed: int = 0) -> None:
        path = Path(weights or WEIGHTS).expanduser()
        if not path.is_file():
            raise InputError(
                f"wanted the weights of MoCoGAN-HD in {path}, found no such file: train them "
                "(experiment=mocogan_hd) or leave its row out"
            )
        self.trajectory = checkpoints.load(path, TrajectoryGenerator).requires_grad_(False)
        self.seed = seed

    def __repr__(self) -> str:
        return f"MoCoGANHD({fingerprint(self.trajectory)}, seed={self.seed})"

    @torch.no_grad()
    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Animates a photo or a sample (see :class:`Baseline`).

        Raises:
            InputError: If the weights were trained for another generator than the model's.
        """
        generator = model.generator
        self.trajectory.to(generator.w_mean.device).check_generator(generator)
        w_plus = model.invert(scene.photo).w_plus if scene.w_plus is None else scene.w_plus
        random = torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {scene.name}".encode()))
        noise = torch.randn(1, scene.num_frames - 1, generator.style_dim, generator=random)
        # A photo's codes differ from layer to layer: the trajectory starts at the mean of those up
        # to D^10, and its offsets are added to all.
        w = w_plus[:, : FEATURE_LAYER - 1].mean(dim=1)
        offsets, _ = self.trajectory(w, noise.to(w_plus))
        return self._render(model, scene, w_plus, offsets)

    @torch.no_grad()
    def _render(
        self, model: StyleCineGAN, scene: FixedScene, w_plus: Tensor, offsets: Tensor
    ) -> Iterator[Tensor]:
        size = (scene.photo.shape[2], scene.photo.shape[3])
        for offset in offsets.unbind(dim=1):
            frame = model.generator(w_plus + model.generator.repeat_w(offset))
            # The generator's picture is square: it shows the whole photo, squeezed.
            yield resize(frame, size).clamp(-1.0, 1.0)
