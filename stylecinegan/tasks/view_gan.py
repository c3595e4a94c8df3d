"""GAN training against discriminators on pictures or crops of 64 pixels (views)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylecinegan.backbones.efficientnet import EfficientNet, load_imagenet_weights
from stylecinegan.generator.pyramid_discriminator import PyramidDiscriminator
from stylecinegan.losses.adversarial import SqueezeNetFeatures
from stylecinegan.tasks.feature_gan import FeatureGANTask, FeatureMaps
from stylecinegan.tasks.sample_distance import SampleDistance

VIEW_SIDE = 64
_SIDES = [VIEW_SIDE // 4, VIEW_SIDE // 8, VIEW_SIDE // 16]


class ViewGANTask(FeatureGANTask):
    """A GAN with a discriminator on features of EfficientNet-Lite0 and one on those of SqueezeNet.

    The losses of the two are averaged.

    Args:
        network: The generator, or a network that contains it.
        trained: Weights of it that are trained.
        trunk: ImageNet weights of EfficientNet-Lite0.
        feature_weights: ImageNet weights of SqueezeNet, ``.npz``.
        width: Channels of the mixed feature maps.
        num_measured: Number of samples and of photos whose Fréchet distance is measured.
        settings: Further arguments of :class:`~stylecinegan.tasks.feature_gan.FeatureGANTask`.
    """

    discriminator_weight = 0.5

    def __init__(
        self,
        network: nn.Module,
        trained: Sequence[nn.Parameter],
        *,
        trunk: str | Path,
        feature_weights: str | Path,
        width: int,
        num_measured: int,
        **settings: Any,
    ) -> None:
        efficientnet = EfficientNet()
        load_imagenet_weights(efficientnet, trunk)
        squeezenet = SqueezeNetFeatures(feature_weights, ("fire3", "fire5", "fire9"))
        self.trunks = nn.ModuleDict({"lite": efficientnet, "squeeze": squeezenet})
        self.trunks.requires_grad_(False).to(memory_format=torch.channels_last)
        channels = {"lite": EfficientNet.num_channels, "squeeze": (128, 256, 512)}
        discriminators = {
            name: PyramidDiscriminator(counts, _SIDES, width=width)
            for name, counts in channels.items()
        }
        super().__init__(network, trained, discriminators, **settings)
        self.network = network
        self.generator_weights = dict.fromkeys(discriminators, 0.5)
        self.distance = SampleDistance(squeezenet, num_measured)

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        for module in (self.network, self.trunks, self.discriminators, self.averaged):
            module.to(device)

    def view_maps(self, view: Tensor) -> FeatureMaps:
        """Feature maps of ``[B, 3, 64, 64]`` by discriminator."""
        view = view.contiguous(memory_format=torch.channels_last)
        return {name: trunk(view) for name, trunk in self.trunks.items()}

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {"network": self.network.state_dict(), **super().state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        super().load_state_dict(state)
        self.network.load_state_dict(state["network"])
