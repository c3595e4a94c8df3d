"""Metrics of pairs of pictures: RMSE, MS-SSIM, and :func:`compare` for any of them."""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from pytorch_msssim import ms_ssim
from pytorch_msssim.ssim import gaussian_filter
from torch import Tensor

from stylecinegan.metrics.perceptual import FeatureMetric
from stylecinegan.metrics.regions import NAMES, MeanOver, mask_out, mean_over, to_pixels

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales of MS-SSIM (Wang et al. 2003, Sec. 3.2)."""


class PictureMetric(Protocol):
    """Interface of a metric of two pictures; see :class:`RMSE` for the arguments."""

    name: str

    def __call__(
        self, actual: Tensor, expected: Tensor, region: Tensor | None = None, over: MeanOver = ...
    ) -> Tensor:
        """Compares pictures in pairs, ``[B]``."""
        ...


def compare(
    metrics: Sequence[PictureMetric],
    actual: Tensor,
    expected: Tensor,
    region: Tensor | None = None,
) -> dict[str, Tensor]:
    """Compares pairs of pictures, within a region by both conventions.

    Args:
        metrics: Metrics to compute.
        actual: ``[B, 3, H, W]`` in [-1, 1].
        expected: Likewise.
        region: Where to compare, ``[B, 1, H, W]``, 1 inside and 0 outside; by default everywhere.

    Returns:
        ``[B]`` by name: ``"RMSE"``, or with a region ``"RMSE (masked equal)"`` and
        ``"RMSE (mask area)"``.
    """
    if region is None:
        return {metric.name: metric(actual, expected) for metric in metrics}
    conventions: list[MeanOver] = list(NAMES)
    figures: dict[str, Tensor] = {}
    for metric in metrics:
        if isinstance(metric, FeatureMetric):
            values = metric.by_convention(actual, expected, region, conventions)
        else:
            values = {over: metric(actual, expected, region, over) for over in conventions}
        figures |= {f"{metric.name} ({NAMES[over]})": values[over] for over in conventions}
    return figures


class RMSE:
    """Root-mean-square error of 8-bit values, in [0, 255]."""

    name = "RMSE"

    def __call__(
        self,
        actual: Tensor,
        expected: Tensor,
        region: Tensor | None = None,
        over: MeanOver = "picture",
    ) -> Tensor:
        """Compares pictures in pairs.

        Args:
            actual: ``[B, 3, H, W]`` in [-1, 1].
            expected: Likewise.
            region: Where to compare, ``[B, 1, H, W]``, 1 inside and 0 outside; by default
                everywhere.
            over: Area of the mean, see :data:`MeanOver`.

        Returns:
            ``[B]``.
        """
        pixels = [to_pixels(mask_out(image, region)) for image in (actual, expected)]
        return mean_over((pixels[0] - pixels[1]).square(), region, over).sqrt()


class MSSSIM:
    """MS-SSIM (Wang et al. 2003) of 8-bit values over five scales, as in ``pytorch_msssim``.

    Over a region, which the package does not support, each window of each scale is weighted by the
    fraction of it inside, with the window's own Gaussian weights.

    Args:
        window: Side of the Gaussian window, odd. The usual 11 needs pictures of at least 161 pixels
            a side; 7, which is part of the metric's name, 97.
    """

    def __init__(self, window: int = 11) -> None:
        self.window = window
        self.name = "MS-SSIM" if window == 11 else f"MS-SSIM (window {window})"

    def __call__(
        self,
        actual: Tensor,
        expected: Tensor,
        region: Tensor | None = None,
        over: MeanOver = "picture",
    ) -> Tensor:
        """Compares pictures in pairs; arguments as for :class:`RMSE`.

        Returns:
            ``[B]``, 1 for equal pictures; NaN if a side is too small for five scales.
        """
        if min(actual.shape[2:]) <= (self.window - 1) * 2 ** (len(SCALE_WEIGHTS) - 1):
            return actual.new_full((len(actual),), float("nan"))
        x, y = (to_pixels(mask_out(image, region)) for image in (actual, expected))
        if region is None or over == "picture":
            return ms_ssim(x, y, data_range=255.0, size_average=False, win_size=self.window)
        return self._of_region(x, y, (region > 0.5).to(x))

    def _of_region(self, x: Tensor, y: Tensor, region: Tensor) -> Tensor:
        """MS-SSIM over a region, ``[B]``, of 8-bit values."""
        offset = torch.arange(self.window).to(x) - self.window // 2
        kernel = torch.exp(-offset.square() / (2 * 1.5**2))
        kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
        means: list[Tensor] = []
        for scale, exponent in enumerate(SCALE_WEIGHTS):
            luminance, structure = _ssim_maps(x, y, kernel.expand(x.shape[1], -1, -1, -1))
            is_last = scale == len(SCALE_WEIGHTS) - 1
            values = luminance * structure if is_last else structure
            weight = gaussian_filter(region, kernel)
            mean = (values * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3))
            means.append(mean.clamp(min=0.0) ** exponent)  # [B, 3]
            padding = [side % 2 for side in x.shape[2:]]
            x, y = (F.avg_pool2d(pixels, 2, padding=padding) for pixels in (x, y))
            region = F.avg_pool2d(region, 2, padding=padding, count_include_pad=False)
        return torch.stack(means).prod(dim=0).mean(dim=1)


def _ssim_maps(x: Tensor, y: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and structure maps of SSIM (Wang et al. 2004), for values up to 255."""
    mean_x, mean_y = gaussian_filter(x, kernel), gaussian_filter(y, kernel)
    variance_x = gaussian_filter(x * x, kernel) - mean_x.square()
    variance_y = gaussian_filter(y * y, kernel) - mean_y.square()
    covariance = gaussian_filter(x * y, kernel) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return luminance, (2 * covariance + c2) / (variance_x + variance_y + c2)
