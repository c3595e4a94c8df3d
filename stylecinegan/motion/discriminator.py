"""The discriminator of motions, for training only."""

import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.motion.generator import initialize


class MultiScaleDiscriminator(nn.Module):
    """Multi-scale patch discriminators of pix2pixHD (Wang et al. 2018, Sec. 3.2).

    Separate discriminators classify motion and photo at full, half and quarter resolution.

    Args:
        in_channels: Channels of the motion generator's input and output together.
        width: Channels of the first layer.
        num_layers: Strided layers of each discriminator.
        num_scales: Number of discriminators.
    """

    def __init__(
        self, in_channels: int = 5, width: int = 64, num_layers: int = 3, num_scales: int = 3
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            _patch_discriminator(in_channels, width, num_layers) for _ in range(num_scales)
        )
        self.apply(initialize)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Classifies pairs of photos and motions.

        Args:
            x: Photo and motion, ``[B, in_channels, H, W]``.

        Returns:
            For each scale the outputs of all layers; the last is the map of patch logits.
        """
        outputs = []
        for number, layers in enumerate(self.scales):
            if number:
                x = F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False)
            features = [x]
            for layer in layers.children():
                features.append(layer(features[-1]))
            outputs.append(features[1:])
        return outputs


def _patch_discriminator(in_channels: int, width: int, num_layers: int) -> nn.Sequential:
    layers = [_layer(in_channels, width, stride=2, is_normalized=False)]
    for number in range(1, num_layers + 1):
        wider = min(2 * width, 512)
        layers.append(_layer(width, wider, stride=2 if number < num_layers else 1))
        width = wider
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4, padding=2))


def _layer(
    in_channels: int, out_channels: int, *, stride: int, is_normalized: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, 4, stride, padding=2)]
    if is_normalized:
        layers.append(nn.InstanceNorm2d(out_channels))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))
