import numpy as np
import torch
from torch import Tensor

from stylecinegan.io.opencv import load_opencv


def from_uint8(pixels: np.ndarray | Tensor) -> Tensor:
    """Converts 8-bit pixels to an image.

    Args:
        pixels: ``[H, W, C]``, uint8.

    Returns:
        ``[1, C, H, W]``, float32 in [-1, 1]; 0 becomes -1 and 255 becomes 1.

    Raises:
        ValueError: If ``pixels`` is not such an array.
    """
    pixels = torch.as_tensor(pixels)
    if pixels.ndim != 3 or pixels.dtype != torch.uint8:
        raise ValueError(
            f"pixels must be [H, W, C] in uint8, got {list(pixels.shape)} in {pixels.dtype}"
        )
    height, width, channels = pixels.shape
    image = torch.empty(1, channels, height, width, device=pixels.device)
    image[0].copy_(pixels.permute(2, 0, 1))
    return image.div_(127.5).sub_(1)


def to_uint8(image: Tensor) -> Tensor:
    """Rounds an image to 8-bit pixels; the exact inverse of :func:`from_uint8`.

    Args:
        image: ``[1, C, H, W]``, floating point; values outside [-1, 1] are clamped.

    Returns:
        ``[H, W, C]``, uint8, contiguous, on the CPU.

    Raises:
        ValueError: If ``image`` is not one image.
    """
    if image.ndim != 4 or image.shape[0] != 1 or not image.is_floating_point():
        raise ValueError(
            f"image must be [1, C, H, W] in floating point, got {list(image.shape)} "
            f"in {image.dtype}"
        )
    # 127.5 x + 127.5, plus one half because the cast to integers truncates.
    planes = torch.add(torch.tensor(128.0), image[0].float(), alpha=127.5)
    planes = planes.clamp_(0, 255.5).to(torch.uint8)
    channels, height, width = planes.shape
    # OpenCV interleaves ten times as fast as torch.stack.
    pixels = load_opencv().merge([*planes.cpu().numpy()])
    return torch.from_numpy(pixels.reshape(height, width, channels))
