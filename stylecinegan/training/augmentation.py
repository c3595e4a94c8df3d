"""Differentiable augmentation of a discriminator's input (DiffAugment, Zhao et al. 2020)."""

import torch
import torch.nn.functional as F
from torch import Tensor

NUM_NUMBERS = 7
"""Random numbers that the augmentation of one picture takes."""

_LARGEST_SHIFT = 1 / 8
_CUTOUT = 1 / 2


def draw_numbers(count: int, device: torch.device) -> Tensor:
    """Draws the random numbers of :func:`augment`, ``[count, 7]`` in [0, 1)."""
    return torch.rand(count, NUM_NUMBERS, device=device)


def augment(image: Tensor, numbers: Tensor) -> Tensor:
    """Changes colours, shifts and cuts out a square, differentiably.

    Applied to photos and samples alike, so that the discriminator does not overfit to few photos
    and the generator does not learn the augmentation.

    Args:
        image: ``[B, 3, H, W]`` in [-1, 1].
        numbers: Parameters of the augmentation, ``[B, 7]`` in [0, 1): brightness, saturation,
            contrast, vertical and horizontal shift, vertical and horizontal position of the hole.

    Returns:
        Augmented pictures; zero (grey) in the hole and where no pixel is shifted to.
    """
    image = change_colors(image, numbers[:, :3])
    image = shift(image, numbers[:, 3:5])
    return cut_out(image, numbers[:, 5:7])


def change_colors(image: Tensor, numbers: Tensor) -> Tensor:
    """Adds at most 0.5 of brightness, scales saturation by [0, 2) and contrast by [0.5, 1.5)."""
    brightness, saturation, contrast = numbers.view(-1, 3, 1, 1, 1).unbind(dim=1)
    image = image + (brightness - 0.5)
    grey = image.mean(dim=1, keepdim=True)
    image = grey + 2.0 * saturation * (image - grey)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (contrast + 0.5) * (image - mean)


def shift(image: Tensor, numbers: Tensor) -> Tensor:
    """Shifts by whole pixels, at most an eighth of the sides, with zero padding."""
    _, _, height, width = image.shape
    rows, row_margin = _shifted(height, numbers[:, 0])
    columns, column_margin = _shifted(width, numbers[:, 1])
    padded = F.pad(image, (column_margin, column_margin, row_margin, row_margin))
    # Two gathers: indexing by both at once would sort all pixels for its gradient on a GPU.
    moved = padded.gather(2, rows[:, None, :, None].expand(*image.shape[:3], padded.shape[3]))
    return moved.gather(3, columns[:, None, None, :].expand_as(image))


def cut_out(image: Tensor, numbers: Tensor) -> Tensor:
    """Sets a square of half the sides to zero, centred anywhere in the picture."""
    _, _, height, width = image.shape
    is_row = _in_hole(height, numbers[:, 0])
    is_column = _in_hole(width, numbers[:, 1])
    hole = is_row[:, None, :, None] & is_column[:, None, None, :]
    return image * ~hole


def _shifted(length: int, number: Tensor) -> tuple[Tensor, int]:
    """Source indices in the padded picture, ``[B, length]``, and the padding."""
    margin = round(length * _LARGEST_SHIFT)
    first = (number * (2 * margin + 1)).long().clamp(max=2 * margin)
    return first[:, None] + torch.arange(length, device=number.device), margin


def _in_hole(length: int, number: Tensor) -> Tensor:
    size = round(length * _CUTOUT)
    first = (number * (length + 1)).long() - size // 2
    place = torch.arange(length, device=number.device)
    return (place >= first[:, None]) & (place < first[:, None] + size)
