"""Sizes of pictures, and cropping to an aspect."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.errors import InputError

PRESETS = {
    "story": (1920, 1080),
    "portrait": (1350, 1080),
    "square": (1080, 1080),
    "hd": (1080, 1920),
    "4k": (2160, 3840),
}
"""Sizes by name, (height, width): what phones, feeds and screens show."""

_TIE = 0.995
"""Share of the maximal motion by which crops are equal; the most central of them is chosen."""


@dataclass(frozen=True)
class Crop:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: Tensor) -> Tensor:
        """Cuts ``[..., H, W]`` out."""
        rows = slice(self.top, self.top + self.height)
        return image[..., rows, self.left : self.left + self.width]


def parse_aspect(text: str) -> Fraction:
    """Width over height of ``"9:16"``.

    Raises:
        InputError: If these are not two whole numbers of at most four digits with a colon.
    """
    match = re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", text.strip())
    if match is None:
        raise InputError(f"aspect must be WIDTH:HEIGHT as in 9:16, got {text}")
    return Fraction(int(match[1]), int(match[2]))


def inner_size(size: tuple[int, int], aspect: Fraction) -> tuple[int, int]:
    """The largest size of an aspect inside another, (height, width), both even."""
    height, width = size
    if width > height * aspect:
        width = round(height * aspect)
    else:
        height = round(width / aspect)
    return max(height // 2 * 2, 2), max(width // 2 * 2, 2)


def covering_size(size: tuple[int, int], inner: tuple[int, int]) -> tuple[int, int]:
    """The smallest size of a picture's own aspect that covers another, (height, width)."""
    scale = max(Fraction(wanted, side) for wanted, side in zip(inner, size, strict=True))
    height, width = (
        max(wanted, round(side * scale)) for wanted, side in zip(inner, size, strict=True)
    )
    return height, width


def limited_size(size: Sequence[int], side: int, *, least: int = 1) -> tuple[int, int]:
    """Size of a picture that is shrunk to a longer side of at most ``side`` pixels.

    Args:
        size: (height, width) of the picture.
        side: Largest longer side.
        least: Smallest side of the result.

    Returns:
        (height, width), that of the picture if it is not larger.
    """
    scale = min(1.0, side / max(size))
    height, width = (max(least, round(length * scale)) for length in size)
    return height, width


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes ``[B, C, H, W]`` to (height, width), bilinearly with antialiasing."""
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def choose_crop(amount: Tensor, size: tuple[int, int]) -> Crop:
    """Crop with the most motion; of equal ones the most central.

    Args:
        amount: How much each pixel counts, ``[1, 1, H, W]``, at least 0.
        size: (height, width) of the crop, at most that of ``amount``.
    """
    height, width = size
    # Sums of all rectangles of the size by differences of an integral image.
    integral = F.pad(amount[0, 0].double().cumsum(0).cumsum(1), (1, 0, 1, 0))
    rows = integral[height:] - integral[:-height]
    sums = rows[:, width:] - rows[:, :-width]
    top, left = (
        torch.arange(count, device=amount.device, dtype=torch.double) - (count - 1) / 2
        for count in sums.shape
    )
    distance = top[:, None].square() + left.square()
    distance = distance.masked_fill(sums < _TIE * sums.max(), torch.inf)
    position = int(distance.argmin())
    return Crop(position // sums.shape[1], position % sums.shape[1], height, width)
