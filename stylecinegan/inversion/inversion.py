"""The result of GAN inversion (Sec. 3.1)."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Inversion:
    """Latent codes and deep features of a photo.

    Attributes:
        w_plus: Latent codes, ``[1, num_styles, style_dim]``.
        features: Deep features by layer, from D^10 on, ``[1, C, R, R]``.
        image: The picture that they render to, ``[1, 3, H, W]`` in [-1, 1].
    """

    w_plus: Tensor
    features: dict[int, Tensor]
    image: Tensor
