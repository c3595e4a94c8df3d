"""Appearance descriptor of D^10 and the style codes that its changes map to (Sec. 3.4)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID = 16
"""Side of the grid that D^10 is pooled to, for (near) independence of the picture's size."""


class AppearanceHead(nn.Module):
    """Appearance descriptor d(D^10), and codes Δw(d' - d) for a change of the descriptor.

    If the layers after D^10 were trained as a decoder, D^10 determines the whole photo and the
    codes after it have no effect. This head makes them represent the *change* of appearance: a
    photo's own codes are zero, and those of another style depend only on the difference of the two
    descriptors, so a photo in its own style is unchanged.

    The descriptor consists of means and deviations of features over a few soft regions (sky,
    ground, …), projected to principal components over the training photos, in standard deviations.

    Args:
        in_channels: Channels of D^10.
        style_dim: Length of a code.
        num_components: Length of the descriptor.
        width: Channels whose means and deviations are computed.
        num_regions: Number of soft regions.
    """

    def __init__(
        self,
        in_channels: int,
        style_dim: int,
        num_components: int,
        *,
        width: int = 48,
        num_regions: int = 6,
    ) -> None:
        super().__init__()
        self.num_components = num_components
        self.mix = nn.Conv2d(in_channels + 1, width, 1)
        self.values = nn.Conv2d(width, width, 1)
        self.regions = nn.Conv2d(width, num_regions, 1)
        self.components = nn.Linear(num_regions * (2 * width + 1), num_components)
        self.hidden = nn.Linear(num_components, style_dim, bias=False)
        self.code = nn.Linear(style_dim, style_dim, bias=False)

    def forward(self, feature: Tensor) -> Tensor:
        """Descriptors of pictures by their D^10, ``[B, C, H, W]``: ``[B, num_components]``."""
        x = F.adaptive_avg_pool2d(feature.float(), GRID)
        height = torch.linspace(-1.0, 1.0, GRID, device=x.device).view(1, 1, GRID, 1)
        x = torch.cat([x, height.expand(len(x), 1, GRID, GRID)], dim=1)
        x = F.leaky_relu(self.mix(x), 0.2)
        values = self.values(x).float().flatten(2).transpose(1, 2)  # [B, cells, width]
        shares = self.regions(x).float().flatten(2).softmax(dim=1)  # [B, regions, cells]
        # Adding one cell shrinks the statistics of nearly empty regions.
        weights = shares / (shares.sum(dim=2, keepdim=True) + 1.0)
        means = weights @ values
        deviations = (weights @ values.square() - means.square()).clamp(min=1e-4).sqrt()
        summary = torch.cat([means, deviations, shares.mean(dim=2, keepdim=True)], dim=2)
        return self.components(summary.flatten(1))

    def offset(self, change: Tensor) -> Tensor:
        """Offset of the codes for a change of the descriptor, ``[..., num_components]``.

        ``Δw = W2 · leaky_relu(W1 · change)``, without biases: zero for no change and positively
        homogeneous, Δw(βx) = β Δw(x) for β >= 0, as Eq. 5 requires. It is not an odd function,
        because brightening takes other gains than darkening.

        Returns:
            ``[..., style_dim]``.
        """
        return self.code(F.leaky_relu(self.hidden(change), 0.2))

    @torch.no_grad()
    def standardize(self, descriptions: Tensor) -> None:
        """Rotates the descriptor to principal components of unit variance, strongest first.

        Offsets are unchanged: :meth:`offset` gets the inverse rotation.

        Args:
            descriptions: Descriptors of many photos, ``[N, num_components]``.
        """
        rows = descriptions.double()
        mean = rows.mean(dim=0)
        variances, vectors = torch.linalg.eigh(torch.cov(rows.t()))
        order = variances.argsort(descending=True)
        # Fewer photos than components leave some without variance: their weights stay in the range
        # of half precision, in which they are stored.
        least = max(1e-12, 1e-6 * float(variances.max()))
        deviations = variances[order].clamp(min=least).sqrt()
        vectors = vectors[:, order]
        largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
        vectors = vectors * torch.where(largest < 0, -1.0, 1.0)
        forward = (vectors / deviations).t().to(rows)
        backward = vectors * deviations
        weight, bias = self.components.weight, self.components.bias
        bias.copy_((forward @ (bias.double() - mean)).to(bias))
        weight.copy_((forward @ weight.double()).to(weight))
        self.hidden.weight.copy_((self.hidden.weight.double() @ backward).to(weight))
