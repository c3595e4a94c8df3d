"""Interface of the compared methods, and the scenes that they animate."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from stylecinegan import StyleCineGAN


@dataclass(frozen=True)
class FixedScene:
    """A photo, or a sample of the generator, with the mask and motion that all methods share.

    Unlike in a :class:`stylecinegan.scene.Scene`, nothing is predicted.

    Attributes:
        name: Name of the clip whose first frame is the photo.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        motion: M, ``[1, 2, H, W]``, (x, y), pixels per frame of the photo, not yet times S.
        num_frames: Number of frames; the first is the photo or its reconstruction.
        period: N, the length of the loop for methods that loop; at least ``num_frames``.
        w_plus: Latent codes of a scene that is a sample of the generator,
            ``[1, num_styles, style_dim]``; ``None`` for a photo.
    """

    name: str
    photo: Tensor
    mask: Tensor
    motion: Tensor
    num_frames: int
    period: int
    w_plus: Tensor | None = None


class Baseline(Protocol):
    """A method that animates photos.

    Measurements are cached by its ``repr``, which therefore has to contain all settings.
    """

    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Animates a photo.

        Args:
            model: Our model, for methods that use a generator.
            scene: The scene to animate.

        Returns:
            ``scene.num_frames`` frames, ``[1, 3, H, W]`` in [-1, 1].
        """
        ...
