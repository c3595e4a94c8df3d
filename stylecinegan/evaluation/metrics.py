"""Numbers that compare pictures: pure functions on tensors."""

import numpy as np
import torch
from pytorch_msssim import ms_ssim
from torch import Tensor, nn

SMALLEST_MS_SSIM_SIDE = 161
"""Five scales of an 11-pixel window fit in no smaller picture."""


def rmse(actual: Tensor, expected: Tensor) -> float:
    """Root-mean-squared error of one picture on the scale 0 to 255.

    Args:
        actual: ``[1, 3, H, W]`` in [-1, 1]; rounded to the 256 values of a file first.
        expected: Likewise.
    """
    difference = _to_pixels(actual) - _to_pixels(expected)
    return float(difference.square().mean().sqrt())


def multi_scale_ssim(actual: Tensor, expected: Tensor) -> float:
    """MS-SSIM of one picture (Wang et al. 2003; ``pytorch_msssim``, range 255, five scales).

    Args:
        actual: ``[1, 3, H, W]`` in [-1, 1]; rounded to the 256 values of a file first.
        expected: Likewise.

    Returns:
        At most 1, for equal pictures; NaN where a side is below 161 pixels, for which MS-SSIM is
        not defined.
    """
    if min(actual.shape[2:]) < SMALLEST_MS_SSIM_SIDE:
        return float("nan")
    return float(ms_ssim(_to_pixels(actual), _to_pixels(expected), data_range=255.0))


class FeatureStatistics:
    """Mean and covariance of the pooled last features of a fixed network, over many pictures.

    Args:
        network: Maps ``[B, 3, H, W]`` in [-1, 1] to a list of feature maps.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._features: list[np.ndarray] = []

    @torch.no_grad()
    def add(self, images: Tensor) -> None:
        """Takes pictures, ``[B, 3, H, W]`` in [-1, 1]."""
        pooled = self.network(images)[-1].float().mean(dim=(2, 3))
        self._features.append(pooled.cpu().double().numpy())

    def distance(self, other: "FeatureStatistics") -> float:
        """Fréchet distance between the two Gaussians; not the FID, which fixes Inception."""
        mean, covariance = self._gaussian()
        other_mean, other_covariance = other._gaussian()
        # The trace of the product's matrix square root; its eigenvalues are real and at least 0.
        eigenvalues = np.linalg.eigvals(covariance @ other_covariance).real.clip(min=0.0)
        spread = np.trace(covariance) + np.trace(other_covariance) - 2 * np.sqrt(eigenvalues).sum()
        return float(np.square(mean - other_mean).sum() + spread)

    def _gaussian(self) -> tuple[np.ndarray, np.ndarray]:
        features = np.concatenate(self._features)
        return features.mean(axis=0), np.cov(features, rowvar=False)


def _to_pixels(image: Tensor) -> Tensor:
    return ((image.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round()
