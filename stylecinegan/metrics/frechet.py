"""Fréchet distances between sets of pictures or videos: FID, FVD, and with other networks."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_fid.inception import (
    FIDInceptionA,
    FIDInceptionC,
    FIDInceptionE_1,
    FIDInceptionE_2,
)
from torch import Tensor, nn
from torchvision.models import Inception3

from stylecinegan.checkpoints import read_pickle
from stylecinegan.checkpoints.published_files import find_weights
from stylecinegan.errors import InputError
from stylecinegan.metrics.gaussians import Gaussian
from stylecinegan.metrics.regions import (
    MeanOver,
    area_fraction,
    mask_out,
    round_to_8_bits,
    to_pixels,
)

INCEPTION = "pt_inception-2015-12-05-6726825d.pth"
I3D = "i3d_torchscript.pt"


class FeatureStatistics:
    """Mean and covariance of a network's last features, averaged over positions, of a set.

    With :class:`InceptionFeatures` their Fréchet distance is the FID, with :class:`I3DFeatures` the
    FVD. Both depend on the number of samples: only distances of equally large sets can be compared,
    and with fewer samples than features the covariance is singular and the distance too large.

    Args:
        network: Maps ``[B, 3, ..., H, W]`` in [-1, 1] to a list of feature maps.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._features: list[np.ndarray] = []

    @torch.no_grad()
    def add(self, images: Tensor, region: Tensor | None = None, over: MeanOver = "picture") -> None:
        """Adds pictures or videos.

        Args:
            images: ``[B, 3, ..., H, W]`` in [-1, 1].
            region: Compared region, ``[B, 1, ..., H, W]``, 1 inside, 0 outside, which becomes
                black. By default everywhere.
            over: Area of the mean, see :data:`MeanOver`; ``"region"`` weights each position of the
                last map by the fraction of it inside the region.

        Raises:
            ValueError: For a mean over the region of features without positions.
        """
        features = self.network(mask_out(images, region))[-1].float()
        positions = tuple(range(2, features.dim()))
        if region is None or over == "picture":
            pooled = features.mean(dim=positions)
        else:
            if features.dim() != 4 or features.shape[2:].numel() == 1:
                raise ValueError("a mean over the region needs features that are a map")
            weight = area_fraction(region, features)
            pooled = (features * weight).sum(dim=positions) / weight.sum(dim=positions)
        self._features.append(pooled.cpu().double().numpy())

    def distance(self, other: "FeatureStatistics") -> float:
        """Fréchet distance between the Gaussians of two sets."""
        return self.gaussian().distance(other.gaussian())

    def gaussian(self) -> Gaussian:
        """Fits a Gaussian to the features so far."""
        return Gaussian.of(self.features())

    def features(self) -> np.ndarray:
        """Pooled features of all samples so far, ``[N, C]``, float64."""
        return np.concatenate(self._features)


class InceptionFeatures(nn.Module):
    """Last feature map of FID's Inception network (Heusel et al. 2017).

    Network and weights are those of ``pytorch_fid``, whose own class would download them. The mean
    over positions is left to :class:`FeatureStatistics`. Pictures are rounded to 8 bits and resized
    to 299x299 as there (bilinear, without antialiasing).

    Args:
        weights: The package's file; by default in torch's download cache.

    Raises:
        InputError: If the file is not there.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        path = find_weights("FID", INCEPTION, "", weights)
        network = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
        network.Mixed_5b = FIDInceptionA(192, pool_features=32)
        network.Mixed_5c = FIDInceptionA(256, pool_features=64)
        network.Mixed_5d = FIDInceptionA(288, pool_features=64)
        network.Mixed_6b = FIDInceptionC(768, channels_7x7=128)
        network.Mixed_6c = FIDInceptionC(768, channels_7x7=160)
        network.Mixed_6d = FIDInceptionC(768, channels_7x7=160)
        network.Mixed_6e = FIDInceptionC(768, channels_7x7=192)
        network.Mixed_7b = FIDInceptionE_1(1280)
        network.Mixed_7c = FIDInceptionE_2(2048)
        try:
            network.load_state_dict(read_pickle(path))
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"wanted pytorch_fid's weights in {path}, found {reason}") from error
        layers = dict(network.named_children())
        for unused in ("avgpool", "dropout", "fc"):
            del layers[unused]
        self.layers = nn.Sequential(*layers.values()).eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Computes ``[B, 2048, 8, 8]`` of ``[B, 3, H, W]`` in [-1, 1]."""
        resized = F.interpolate(
            round_to_8_bits(image), (299, 299), mode="bilinear", align_corners=False
        )
        return [self.layers(resized)]


class I3DFeatures(nn.Module):
    """Outputs of FVD's I3D network (Unterthiner et al. 2018).

    A TorchScript file that the authors of StyleGAN-V published. It computes one vector per video,
    so a mean over a region is not defined for it.

    Args:
        weights: The file; by default in torch's download cache.

    Raises:
        InputError: If the file is not there.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        path = find_weights("FVD", I3D, "", weights)
        try:
            self.network = torch.jit.load(str(path), map_location="cpu").eval()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"wanted a TorchScript network in {path}, found {reason}") from error

    def forward(self, video: Tensor) -> list[Tensor]:
        """Computes ``[B, 400, 1, 1]`` of ``[B, 3, T, H, W]`` in [-1, 1], T usually 16."""
        # As in StyleGAN-V: 8-bit values, which the network itself scales to [-1, 1] after it has
        # resized each frame to 224x224.
        features = self.network(to_pixels(video), rescale=True, resize=True, return_features=True)
        return [features[:, :, None, None]]
