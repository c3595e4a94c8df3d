"""Inversion of a photo by a single forward pass (Sec. 3.1)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualUnit(nn.Module):
    """Pre-activated residual unit of the encoder's trunk (IR-ResNet, as in ArcFace).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: 2 halves the resolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.prelu = nn.PReLU(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.stride = stride
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            if stride != 1 or in_channels != out_channels
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, C_in, H, W]`` to ``[B, C_out, H / stride, W / stride]``."""
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        if self.downsample is None:
            return y + x
        # A 1x1 convolution of stride 2 as one of stride 1: the backward pass of the former writes
        # out of bounds in oneDNN for channels-last tensors (torch 2.15, CPU).
        return y + self.downsample(x[:, :, :: self.stride, :: self.stride])


class FeatureStyleEncoder(nn.Module):
    """Predicts latent codes and the deep feature D^10 of a photo (Yao et al. 2022, Sec. 3.1).

    Both branches take pictures of any size: the feature branch is convolutional, the style branch
    pools to a fixed grid. The defaults are the paper's for its 1024x1024 generator; the encoder of
    the default model is a narrower one.

    Args:
        num_styles: Latent codes per picture.
        style_dim: Length of a latent code.
        feature_channels: Channels of D^10.
        widths: Channels of the stem and of the four blocks.
        depths: Residual units of the four blocks.
        content_width: Hidden channels of the feature branch.
        pool: Side of the grid that the style branch pools each block to.
    """

    def __init__(
        self,
        num_styles: int = 18,
        style_dim: int = 512,
        feature_channels: int = 512,
        widths: Sequence[int] = (64, 64, 128, 256, 512),
        depths: Sequence[int] = (3, 4, 14, 3),
        content_width: int = 512,
        pool: int = 3,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.arguments = {
            "num_styles": num_styles,
            "style_dim": style_dim,
            "feature_channels": feature_channels,
            "widths": list(widths),
            "depths": list(depths),
            "content_width": content_width,
            "pool": pool,
        }
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 1, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.PReLU(widths[0]),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(
                    ResidualUnit(widths[k + (unit > 0)], widths[k + 1], 2 if unit == 0 else 1)
                    for unit in range(depth)
                )
            )
            for k, depth in enumerate(depths)
        )
        self.content = nn.Sequential(
            nn.BatchNorm2d(widths[1]),
            nn.Conv2d(widths[1], content_width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(content_width),
            nn.PReLU(content_width),
            nn.Conv2d(content_width, feature_channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(feature_channels),
        )
        self.styles = nn.ModuleList(
            nn.Linear(sum(widths[1:]) * pool**2, style_dim) for _ in range(num_styles)
        )
        self.w_mean: Tensor
        self.register_buffer("w_mean", torch.zeros(style_dim))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Inverts pictures.

        Args:
            image: ``[B, 3, H, W]`` in [-1, 1], four times the resolution of D^10 (256x256 for the
                paper's 1024x1024 generator); sides must be multiples of 4.

        Returns:
            ``w_plus``, ``[B, num_styles, style_dim]``, the mean code already added, and ``D10``,
            ``[B, C, H / 4, W / 4]``.
        """
        content, code = self._run_trunk(image)
        w_plus = torch.stack([style(code) for style in self.styles], dim=1)
        return w_plus + self.w_mean, self.content(content)

    def pool_blocks(self, image: Tensor) -> Tensor:
        """Input of the style branch's linear layers, ``[B, P]`` (``image`` as in :meth:`forward`).

        P is the number of all blocks' channels times ``pool²``.
        """
        return self._run_trunk(image)[1]

    def _run_trunk(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The first block's output and the pooled outputs of all blocks, flattened."""
        x = self.stem(image)
        content: Tensor | None = None
        pooled = []
        for block in self.blocks:
            x = block(x)
            content = x if content is None else content
            pooled.append(F.adaptive_avg_pool2d(x.float(), self.pool))
        assert content is not None
        return content, torch.cat(pooled, dim=1).flatten(1)
