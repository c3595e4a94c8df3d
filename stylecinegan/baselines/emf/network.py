"""Networks of Eulerian Motion Fields (EMF, Holynski et al. 2021), with fewer channels."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.ops import Backend
from stylecinegan.ops.splatting import splat
from stylecinegan.warping.joint_splatting import SMALLEST_WEIGHT

LARGEST_LOGARITHM = 8.0
"""Largest |Z|, for which sums of weights exp(Z) are accurate in single precision."""


class SplattingNetwork(nn.Module):
    """Encoder, symmetric splatting of its deep features and decoder.

    Differs from the paper: the picture is part of the features and the decoder corrects its splat,
    so that a short training need not learn to copy; there is no discriminator, and no batch
    normalisation, because batches are small.

    Args:
        num_features: Number of splatted channels, including the three of the picture.
        widths: Channels of the decoder, fine to coarse; each level has half the resolution.
        num_blocks: Residual blocks of the encoder.
    """

    def __init__(
        self,
        num_features: int = 24,
        widths: tuple[int, ...] = (24, 48, 96),
        num_blocks: int = 2,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "num_features": num_features,
            "widths": list(widths),
            "num_blocks": num_blocks,
        }
        width = widths[0]
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            *(ResidualBlock(width) for _ in range(num_blocks)),
            nn.LeakyReLU(0.2),
            # The last channel is Z, the logarithm of a pixel's weight.
            nn.Conv2d(width, num_features - 3 + 1, 3, padding=1),
        )
        self.decoder = Decoder(num_features, widths)

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the features and splatting weights of a picture.

        Args:
            image: ``[B, 3, H, W]`` in [-1, 1]; sides divisible by ``2 ** (len(widths) - 1)``.

        Returns:
            ``[B, num_features, H, W]`` and the positive weights exp(Z), ``[B, 1, H, W]``.
        """
        features = self.encoder(image).float()
        logarithm = features[:, -1:].clamp(-LARGEST_LOGARITHM, LARGEST_LOGARITHM)
        return torch.cat([image, features[:, :-1]], dim=1), logarithm.exp()

    def decode(self, features: Tensor) -> Tensor:
        """Decodes splatted features.

        Args:
            features: ``[B, num_features, H, W]``.

        Returns:
            Picture, ``[B, 3, H, W]``, about [-1, 1], not clamped.
        """
        return features[:, :3] + self.decoder(features).float()


class Decoder(nn.Module):
    """U-Net that predicts a correction of the splatted colours from splatted features.

    Args:
        in_channels: Channels of the features.
        widths: Channels by level, fine to coarse.
    """

    def __init__(self, in_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 1) for fine, coarse in pairwise(widths))
        self.before = nn.ModuleList(ResidualBlock(width) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.after = nn.ModuleList(ResidualBlock(width) for width in widths)
        self.leave = nn.Conv2d(widths[0], 3, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Maps ``[B, C, H, W]`` to ``[B, 3, H, W]``."""
        x = self.before[0](self.enter(features))
        skipped = []
        for down, block in zip(self.down, self.before[1:], strict=True):  # pyright: ignore
            skipped.append(x)
            x = block(down(F.avg_pool2d(x, 2)))
        x = self.after[-1](x)
        for up, block in zip(reversed(self.up), reversed(self.after[:-1]), strict=True):  # pyright: ignore
            upsampled = F.interpolate(up(x), scale_factor=2.0, mode="bilinear")
            x = block(upsampled + skipped.pop())
        return self.leave(F.leaky_relu(x, 0.2))


class ResidualBlock(nn.Module):
    """Residual block of two convolutions, initially the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, width, H, W]`` to the same shape."""
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))


def splat_symmetrically(
    first: tuple[Tensor, Tensor],
    last: tuple[Tensor, Tensor],
    from_start: Tensor,
    from_end: Tensor,
    progress: Tensor,
    *,
    backend: Backend = "auto",
) -> Tensor:
    """Splats the features of two frames to a time between them and blends them.

    With α = 1 - t/N, the result is ``(Σ α exp(Z) D_0 + Σ (1 - α) exp(Z) D_N) / (Σ α exp(Z) +
    Σ (1 - α) exp(Z))``, with sums over the pixels that reach a target.
    :func:`~stylecinegan.warping.joint_splatting.joint_splat` is the special case of one picture at
    both ends of a loop.

    Args:
        first: Features of frame 0, ``[B, C, H, W]``, and their weights exp(Z), ``[B, 1, H, W]``.
        last: Likewise of frame N.
        from_start: F(0→t), ``[B, 2, H, W]``, (x, y) in pixels.
        from_end: F(N→t), likewise.
        progress: t/N in [0, 1], ``[B]``.
        backend: As in :func:`stylecinegan.ops.splatting.splat`.

    Returns:
        ``[B, C, H, W]``, zero where no pixel arrives.
    """
    late = progress.view(-1, 1, 1, 1)
    sums = _splat_weighted(first, 1.0 - late, from_start, backend)
    sums = sums + _splat_weighted(last, late, from_end, backend)
    total = sums[:, -1:]
    reached = total >= SMALLEST_WEIGHT
    # The inner where keeps the gradient of the unused quotient finite.
    return torch.where(reached, sums[:, :-1] / torch.where(reached, total, 1.0), 0.0)


def _splat_weighted(
    frame: tuple[Tensor, Tensor], share: Tensor, displacement: Tensor, backend: Backend
) -> Tensor:
    feature, weight = frame
    weight = weight * share
    return splat(torch.cat([feature * weight, weight], dim=1), displacement, backend=backend)
