"""Interpretation of mask pictures of one channel: grey values or opacities."""

from dataclasses import dataclass

import numpy as np

from stylecinegan.errors import InputError
from stylecinegan.io.opencv import load_opencv
from stylecinegan.io.paths import PathLike

LARGEST_CLASS = 32
"""Largest grey value that is read as a class number: such a grey is hard to tell from black."""

_UNDEFINED = 255
"""Class number of unlabelled pixels in segmentation data sets."""

RINGING = 16
"""Largest change of a value by JPEG, of 255."""

_TWO_VALUED = 0.98
"""Smallest share of pixels near the two values of a mask; the others are its edges."""

_STRAY = 1e-3
"""Largest share of pixels that are neither near two values nor between them."""

_MIN_PHOTO_SIDE = 32
"""Shortest side, in pixels, of a photo."""

_TEXTURE_SIDE = 512
"""Longest side, in pixels, at which texture is judged: details of large photos are smooth."""

_TEXTURE = 8.0
"""Smallest absolute Laplacian of texture, of 255."""

_TEXTURED = 0.2
"""Smallest share of textured greys in a photo; soft masks are smooth."""


@dataclass(frozen=True)
class MaskReading:
    """A mask, and the interpretation of its picture.

    Attributes:
        mask: ``[H, W]``, float32 in [0, 1], 1 moves.
        note: Interpretation for the user; empty if it is white on black.
    """

    mask: np.ndarray
    note: str = ""


def read_values(
    path: PathLike, values: np.ndarray, what: str, opacity: np.ndarray | None = None
) -> MaskReading:
    """Interprets the values of a mask picture.

    Args:
        path: Path of the picture, for messages.
        values: ``[H, W]``, uint8 or uint16.
        what: Name of the values, for messages.
        opacity: Factor of the mask, ``[H, W]``, an integer type.

    Raises:
        InputError: If the values do not determine what moves.
    """
    largest = int(np.iinfo(values.dtype).max)
    counts = np.bincount(values.reshape(-1), minlength=256)
    levels = np.flatnonzero(counts)
    note = ""
    if len(levels) == 1:
        if 0 < levels[0] < largest:
            raise unclear(path, f"the {what} {levels[0]} everywhere")
        mask = values > 0
    elif len(levels) == 2:
        mask = values == levels[1]
        if tuple(levels) != (0, largest):
            note = f"{what} {levels[1]} moves, {levels[0]} stays"
    elif _are_classes(levels, counts):
        mask = (values > 0) & (values <= LARGEST_CLASS)
        numbers = ", ".join(str(level) for level in levels[1:] if level <= LARGEST_CLASS)
        note = f"class numbers: {numbers} move, 0 stays"
    else:
        if levels[-1] <= 255 < largest and levels[-1] > 127:
            largest, note = 255, "8-bit values in a 16-bit file: 255 moves, 0 stays"
        low, high = 0, largest
        pair = _two_values(counts) if largest == 255 else None
        if pair is not None:
            low, high = pair
            note = f"{what} {high} moves, {low} stays"
        elif 2 * levels[-1] <= largest:
            raise unclear(path, f"{what}s from {levels[0]} to {levels[-1]} of {largest}")
        elif _is_photo((values // (largest // 255)).astype(np.uint8)):
            raise unclear(path, "the texture of a photo")
        mask = ((values.astype(np.float32) - low) / np.float32(high - low)).clip(0, 1)
    mask = mask.astype(np.float32)
    if opacity is not None:
        mask *= opacity / np.float32(np.iinfo(opacity.dtype).max)
    return MaskReading(mask, note)


def _are_classes(levels: np.ndarray, counts: np.ndarray) -> bool:
    """Whether grey values are class numbers, with or without undefined pixels."""
    numbers = levels[levels <= LARGEST_CLASS]
    others = levels[levels > LARGEST_CLASS]
    if levels[0] != 0 or len(numbers) < 2:
        return False
    # In a white mask, 255 covers more than the dark greys of its edge; unlabelled pixels are few.
    return len(others) == 0 or (
        others.tolist() == [_UNDEFINED] and counts[numbers[1:]].sum() > counts[_UNDEFINED]
    )


def _two_values(counts: np.ndarray) -> tuple[int, int] | None:
    """Finds two 8-bit values that JPEG has blurred, unless they are about black and white."""
    distance = np.arange(len(counts)) - counts.argmax()
    others = np.where(np.abs(distance) > 2 * RINGING, counts, 0)
    low, high = sorted((int(counts.argmax()), int(others.argmax())))
    if not others.any() or (low <= RINGING and high >= 255 - RINGING):
        return None

    def share(first: int, last: int) -> float:
        return counts[max(first, 0) : last + 1].sum() / counts.sum()

    near = [share(value - RINGING, value + RINGING) for value in (low, high)]
    core = [share(value - 2, value + 2) for value in (low, high)]
    # A third value is no edge, and a gradient has no peaks.
    is_between = share(low - 2 * RINGING, high + 2 * RINGING) > 1 - _STRAY
    is_peaked = all(inner > outer / 2 for inner, outer in zip(core, near, strict=True))
    return (low, high) if sum(near) > _TWO_VALUED and is_between and is_peaked else None


def _is_photo(values: np.ndarray) -> bool:
    """Whether 8-bit values, ``[H, W]``, have the texture of a photo."""
    # Short gradients are steep, and dithered masks become textured greys when they shrink.
    if min(values.shape) < _MIN_PHOTO_SIDE or _is_grey(values).mean() < 0.5:
        return False
    cv2 = load_opencv()
    scale = min(1.0, _TEXTURE_SIDE / max(values.shape))
    if scale < 1:
        values = cv2.resize(values, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    curvature = np.abs(cv2.Laplacian(values, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE))
    return bool((_is_grey(values) & (curvature >= _TEXTURE)).mean() > _TEXTURED)


def _is_grey(values: np.ndarray) -> np.ndarray:
    return (values > RINGING) & (values < 255 - RINGING)


def unclear(path: PathLike, found: str) -> InputError:
    """Describes a picture that is no mask, and the pictures that are."""
    return InputError(
        f"cannot use {path} as a mask: wanted white (moves) on black (stays), or one colour "
        f"(moves) on black or transparency, found {found}"
    )
