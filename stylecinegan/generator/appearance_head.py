"""How a picture looks, read from its D^10: what codes are for where D^10 holds all of a photo."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID = 16
"""Side of the grid that D^10 is averaged to, so that a picture's size hardly matters."""


class AppearanceHead(nn.Module):
    """Describes the colours of a picture by a few numbers, and turns their change into a code.

    A generator whose layers after D^10 were trained as a decoder finds all of a photo in D^10;
    its later codes have nothing to say. Here they say what *changes*: the codes of a photo are
    zero, and those of another style follow from the difference of two descriptions, so that a
    photo in its own style is the photo.

    A description sums up a few soft regions of D^10 (sky, ground, …) by means and deviations.
    Its numbers are principal components over the training photos, in standard deviations.

    Args:
        in_channels: Channels of D^10.
        style_dim: Length of a code.
        num_components: Numbers that describe a picture.
        width: Channels that are summed up.
        num_regions: Soft regions.
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
        """Describes pictures by their D^10, ``[B, C, H, W]``: ``[B, num_components]``."""
        x = F.adaptive_avg_pool2d(feature.float(), GRID)
        height = torch.linspace(-1.0, 1.0, GRID, device=x.device).view(1, 1, GRID, 1)
        x = torch.cat([x, height.expand(len(x), 1, GRID, GRID)], dim=1)
        x = F.leaky_relu(self.mix(x), 0.2)
        values = self.values(x).float().flatten(2).transpose(1, 2)  # [B, cells, width]
        shares = self.regions(x).float().flatten(2).softmax(dim=1)  # [B, regions, cells]
        # One more cell than there is: a region that hardly exists says little.
        weights = shares / (shares.sum(dim=2, keepdim=True) + 1.0)
        means = weights @ values
        deviations = (weights @ values.square() - means.square()).clamp(min=1e-4).sqrt()
        summary = torch.cat([means, deviations, shares.mean(dim=2, keepdim=True)], dim=2)
        return self.components(summary.flatten(1))

    def offset(self, change: Tensor) -> Tensor:
        """What a change of the description, ``[..., num_components]``, adds to codes.

        Without biases it grows with the change in proportion, as Eq. 5 wants it, and is zero
        with it; but the way back need not be the way there mirrored, as it is not for pictures:
        to brighten takes other gains than to darken.

        Returns:
            ``[..., style_dim]``.
        """
        return self.code(F.leaky_relu(self.hidden(change), 0.2))

    @torch.no_grad()
    def standardize(self, descriptions: Tensor) -> None:
        """Makes the numbers principal components in standard deviations, the strongest first.

        Nothing else changes: the same two pictures give the same offset.

        Args:
            descriptions: Of many photos, ``[N, num_components]``.
        """
        rows = descriptions.double()
        mean = rows.mean(dim=0)
        variances, vectors = torch.linalg.eigh(torch.cov(rows.t()))
        order = variances.argsort(descending=True)
        deviations = variances[order].clamp(min=1e-12).sqrt()
        vectors = vectors[:, order]
        largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
        vectors = vectors * torch.where(largest < 0, -1.0, 1.0)
        forward = (vectors / deviations).t().to(rows)
        backward = vectors * deviations
        weight, bias = self.components.weight, self.components.bias
        bias.copy_((forward @ (bias.double() - mean)).to(bias))
        weight.copy_((forward @ weight.double()).to(weight))
        self.hidden.weight.copy_((self.hidden.weight.double() @ backward).to(weight))
