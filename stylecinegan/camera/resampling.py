"""Resampling of pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.io import load_opencv


def resample(image: Tensor, place: Tensor) -> Tensor:
    """Resamples a picture by bicubic interpolation (Keys 1981, a = -3/4).

    Args:
        image: ``[1, C, h, w]`` in [-1, 1], of at most 4 channels.
        place: Source of each pixel, ``[1, 2, H, W]``, (x, y) in pixels, clamped to the border.

    Returns:
        ``[1, C, H, W]``, clamped to [-1, 1], as some weights are negative.
    """
    if image.device.type != "cpu" or image.dtype != torch.float32:
        grid = _grid(image, place)
        resampled = F.grid_sample(image, grid, "bicubic", "border", align_corners=False)
        return resampled.clamp_(-1.0, 1.0)
    # OpenCV does the same ten times as fast.
    cv2 = load_opencv()
    pixels = image[0].permute(1, 2, 0).contiguous().numpy()
    x, y = (axis.contiguous().numpy() for axis in place[0].float())
    remapped = cv2.remap(pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    resampled = torch.from_numpy(remapped).view(*place.shape[2:], image.shape[1])
    return resampled.permute(2, 0, 1)[None].clamp(-1.0, 1.0).contiguous()


def read_bilinear(field: Tensor, place: Tensor) -> Tensor:
    """Resamples ``[1, C, h, w]`` by bilinear interpolation; arguments as in :func:`resample`."""
    return F.grid_sample(field, _grid(field, place), "bilinear", "border", align_corners=False)


def _grid(image: Tensor, place: Tensor) -> Tensor:
    """Sources in PyTorch's coordinates, [-1, 1] between the outer edges of the border pixels."""
    extent = place.new_tensor([image.shape[3], image.shape[2]]).view(1, 2, 1, 1)
    return ((2.0 * place + 1.0) / extent - 1.0).permute(0, 2, 3, 1).to(image)
