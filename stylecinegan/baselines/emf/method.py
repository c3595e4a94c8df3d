"""Eulerian Motion Fields (EMF, Holynski et al. 2021)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from torch import Tensor

from stylecinegan import StyleCineGAN, checkpoints
from stylecinegan.baselines.emf.network import SplattingNetwork
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.checkpoints.fingerprints import fingerprint
from stylecinegan.warping.settings import Warping, extend, frame_warps

WEIGHTS = checkpoints.CHECKPOINTS_DIR / "baselines/emf.safetensors"
"""Weights trained by ``experiment=emf``."""


class EMF:
    """Symmetric splatting of an encoder's deep features, and a decoder.

    EMF predicts motion with its own network; here all methods have the same motion. EMF has no mask
    S: static regions are those of zero motion, and are decoded too. Inflow and hole filling are
    those of our rendering.

    Args:
        weights: File written by ``experiment=emf``; by default the project's.

    Raises:
        InputError: If the file is missing or damaged.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        path = Path(weights or WEIGHTS).expanduser()
        self.network = checkpoints.load(path, SplattingNetwork).requires_grad_(False)
        self._fingerprint = fingerprint(self.network)

    def __repr__(self) -> str:
        return f"EMF({self._fingerprint})"

    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Animates a photo (see :class:`Baseline`)."""
        return self.animate(scene, scene.motion)

    def animate(self, scene: FixedScene, motion: Tensor) -> Iterator[Tensor]:
        """Animates a photo by another motion than the scene's.

        Args:
            scene: The scene.
            motion: M, ``[1, 2, H, W]``, pixels per frame of the photo.

        Yields:
            Frames, ``[1, 3, H, W]`` in [-1, 1].
        """
        height, width = scene.photo.shape[2:]
        photo = extend(scene.photo)
        feature, weight = self.network.encode(photo)
        warps = frame_warps(motion, photo.shape[2:], scene.period, Warping.of_the_paper())
        for warp in islice(warps, scene.num_frames):
            # With one photo at both ends, symmetric splatting is joint splatting.
            splatted, _ = warp(feature, weight)
            yield self.network.decode(splatted).clamp(-1.0, 1.0)[:, :, :height, :width]
