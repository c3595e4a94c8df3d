"""Mapping network of StyleGAN2."""

import torch
from torch import Tensor, nn

from stylecinegan.generator.layers import EqualizedLinear, leaky_relu


class MappingNetwork(nn.Module):
    """Maps Gaussian codes z to latent codes w.

    Args:
        style_dim: Length of z and w.
        num_layers: Fully connected layers.
    """

    def __init__(self, style_dim: int, num_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EqualizedLinear(style_dim, style_dim, learning_rate_multiplier=0.01)
            for _ in range(num_layers)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Maps ``[B, style_dim]`` to ``[B, style_dim]``."""
        w = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            w = leaky_relu(layer(w))
        return w
