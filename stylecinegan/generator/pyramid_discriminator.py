"""Discriminator of Projected GANs (Sauer et al. 2021) on feature maps of a fixed network."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SpectralWeights = list[Tensor]

_SMALLEST_SIDE = 8
_MAX_WIDTH = 192


class PyramidDiscriminator(nn.Module):
    """Patch heads on a pyramid of fixed feature maps, mixed randomly across channels and scales.

    Each channel is standardised with statistics of photos; feature maps are mixed across channels
    by a fixed random 1x1 convolution and, coarse to fine, across scales by fixed random 3x3
    convolutions (CCM and CSM, Sec. 3.2 of their paper), so that no head can rely on a part of the
    network. A head downsamples to 8 pixels and outputs a logit per patch; its convolutions have
    spectral normalisation and, except the last, batch normalisation by statistics of the batch.

    Args:
        channels: Channels of the feature maps, fine to coarse.
        sides: Sides of the feature maps, each half the one before.
        width: Channels after mixing, twice as many for the coarsest of several maps.
        smallest_side: Side that the heads downsample to; larger for a smaller receptive field.
    """

    def __init__(
        self,
        channels: Sequence[int],
        sides: Sequence[int],
        *,
        width: int = 64,
        smallest_side: int = _SMALLEST_SIDE,
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList()
        last = len(channels) - 1
        widths = [2 * width if stage == last > 0 else width for stage in range(last + 1)]
        for stage, (count, side) in enumerate(zip(channels, sides, strict=True)):
            out = widths[stage]
            self.register_buffer(f"mean{stage}", torch.zeros(1, count, 1, 1))
            self.register_buffer(f"deviation{stage}", torch.ones(1, count, 1, 1))
            mixing = torch.randn(out, count, 1, 1) / math.sqrt(count)
            self.register_buffer(f"mixing{stage}", mixing)
            if stage < last:
                fusion = torch.randn(out, widths[stage + 1], 3, 3)
                self.register_buffer(f"fusion{stage}", fusion / math.sqrt(fusion[0].numel()))
            self.heads.append(PatchHead(side, out, smallest_side))

    @torch.no_grad()
    def calibrate(self, maps: Sequence[Tensor]) -> None:
        """Estimates the channels' statistics from feature maps of photos, ``[B, C, H, W]``."""
        for stage, x in enumerate(maps):
            deviation, mean = torch.std_mean(x.float(), dim=(0, 2, 3), keepdim=True)
            self.get_buffer(f"mean{stage}").copy_(mean)
            self.get_buffer(f"deviation{stage}").copy_(deviation + 0.05 * deviation.mean())

    def mix(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Standardises and mixes feature maps ``[B, C, H, W]``, fine to coarse."""
        mixed: list[Tensor] = []
        for stage in reversed(range(len(maps))):
            x = maps[stage]
            mean, deviation = self.get_buffer(f"mean{stage}"), self.get_buffer(f"deviation{stage}")
            x = (x - mean.to(x.dtype)) / deviation.to(x.dtype)
            x = F.conv2d(x, self.get_buffer(f"mixing{stage}"))
            if mixed:
                coarser = F.conv2d(mixed[-1], self.get_buffer(f"fusion{stage}"), padding=1)
                coarser = F.interpolate(coarser, x.shape[2:], mode="bilinear")
                x = (x + coarser) * math.sqrt(0.5)
            mixed.append(x)
        return mixed[::-1]

    def normalised_weights(self) -> list[SpectralWeights]:
        """Kernels of each head divided by their largest singular values."""
        return [head.normalised_weights() for head in self._heads()]

    def forward(self, mixed: Sequence[Tensor], weights: Sequence[SpectralWeights]) -> list[Tensor]:
        """Logits of mixed feature maps with given kernels, ``[B, patches]`` per head."""
        heads = self._heads()
        return [head(x, kernels) for head, x, kernels in zip(heads, mixed, weights, strict=True)]

    def _heads(self) -> list["PatchHead"]:
        return [head for head in self.heads if isinstance(head, PatchHead)]


class PatchHead(nn.Module):
    """Head that downsamples by 4x4 convolutions and outputs a logit per position.

    Args:
        side: Side of the feature map.
        width: Channels of the feature map.
        smallest_side: Side that it is downsampled to.
    """

    def __init__(self, side: int, width: int, smallest_side: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        while side > smallest_side:
            wider = min(2 * width, _MAX_WIDTH)
            self._append(nn.Conv2d(width, wider, 4, 2, 1, bias=False))
            side, width = side // 2, wider
        if not self.convs:
            self._append(nn.Conv2d(width, width, 3, 1, 1, bias=False))
        self.convs.append(nn.Conv2d(width, 1, min(4, side), bias=False))
        for number, conv in enumerate(self.convs):
            start = F.normalize(torch.randn(conv.weight.shape[0]), dim=0)  # pyright: ignore
            self.register_buffer(f"direction{number}", start)

    def _append(self, conv: nn.Conv2d) -> None:
        self.convs.append(conv)
        # Statistics of the batch, as photos and samples are in separate batches.
        self.norms.append(nn.BatchNorm2d(conv.out_channels, track_running_stats=False))

    def normalised_weights(self) -> SpectralWeights:
        """W / σ(W) of each convolution, σ by a step of the power iteration (Miyato et al. 2018)."""
        weights: SpectralWeights = []
        for number, conv in enumerate(self.convs):
            weight = conv.get_parameter("weight")
            matrix = weight.flatten(1).float()
            direction = self.get_buffer(f"direction{number}")
            with torch.no_grad():
                other = F.normalize(direction @ matrix, dim=0)
                direction.copy_(F.normalize(matrix @ other, dim=0))
                left = direction.clone()
            weights.append(weight / torch.dot(left, matrix @ other))
        return weights

    def forward(self, x: Tensor, weights: SpectralWeights) -> Tensor:
        """Logits of ``[B, C, H, W]``: ``[B, patches]``."""
        for conv, norm, weight in zip(self.convs, self.norms, weights[:-1], strict=False):
            assert isinstance(conv, nn.Conv2d)
            x = F.leaky_relu(norm(F.conv2d(x, weight, None, conv.stride, conv.padding)), 0.2)
        return F.conv2d(x, weights[-1]).flatten(1)
