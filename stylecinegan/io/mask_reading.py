"""Interpretation of mask pictures: moving pixels by their values or colours."""

from dataclasses import dataclass

import numpy as np

from stylecinegan.errors import InputError
from stylecinegan.io.paths import PathLike

LARGEST_CLASS = 32
"""Largest grey value that is read as a class number: such a grey is hard to tell from black."""

_UNDEFINED = 255
"""Class number of unlabelled pixels in segmentation data sets."""

_CHROMA = 32
"""Largest difference of two channels, of 255, in a grey pixel: JPEG tints greys."""

_DARK = 40
"""Largest channel, of 255, of a black pixel."""

_MAX_HARD_EDGED = 8
"""Largest number of colours of a drawing with hard edges: anti-aliased edges have more."""

_HUE_SPREAD = 20.0
"""Largest difference in hue, in degrees, between the colours of one brush."""

_BLACK_PAINT = "what is painted moves, what is transparent stays"


@dataclass(frozen=True)
class MaskReading:
    """A mask, and the interpretation of its picture.

    Attributes:
        mask: ``[H, W]``, float32 in [0, 1], 1 moves.
        note: Interpretation for the user; empty if it is white on black.
    """

    mask: np.ndarray
    note: str = ""


def read_mask_pixels(
    path: PathLike, pixels: np.ndarray, indices: np.ndarray | None = None
) -> MaskReading:
    """Interprets a mask picture.

    White moves, black is static, grey is in between. Also understood: two values (the larger
    moves), class numbers (0 is static), palettes of classes (black, or index 0, is static), a brush
    of one colour on black or on transparency, and a varying alpha with a single colour.

    Args:
        path: Path of the picture, for messages.
        pixels: ``[H, W, 3]`` or ``[H, W, 4]``, uint8 or uint16.
        indices: Into the palette, if the picture has one, ``[H, W]``, uint8.

    Raises:
        InputError: If the picture does not determine what moves.
    """
    largest = np.iinfo(pixels.dtype).max
    colour, opacity = pixels[..., :3], None
    visible = np.ones(pixels.shape[:2], bool)
    if pixels.shape[-1] == 4 and (pixels[..., 3] < largest).any():
        opacity = pixels[..., 3]
        visible = opacity > largest // 8
        if not visible.any():
            return MaskReading(np.zeros(visible.shape, np.float32))
        if _is_one_colour(colour[visible]):
            reading = _read_values(path, opacity, "opacity")
            is_dark = colour[visible].max() <= _DARK * (largest // 255)
            return MaskReading(reading.mask, _BLACK_PAINT) if is_dark else reading
    chroma = colour.max(axis=-1) - colour.min(axis=-1)
    is_coloured = visible & (chroma > _CHROMA * (largest // 255))
    # JPEG artefacts and stray strokes may colour up to a thousandth of the pixels.
    if is_coloured.mean() <= 1e-3 * visible.mean():
        if opacity is None:
            return _read_values(path, _luminance(colour), "grey value")
        # Transparent pixels hide their colours.
        return _read_values(path, _luminance(colour) * (opacity > 0), "grey value", opacity)
    eight = (colour // (largest // 255)).astype(np.uint8)
    has_alpha = opacity is not None
    reading = _read_colours(path, eight, is_coloured, visible, indices, has_alpha=has_alpha)
    if opacity is None:
        return reading
    return MaskReading(reading.mask * (opacity / np.float32(largest)), reading.note)


def _is_one_colour(colours: np.ndarray) -> bool:
    largest = np.iinfo(colours.dtype).max
    spread = colours.max(axis=0).astype(int) - colours.min(axis=0)
    return bool((spread <= _CHROMA * (largest // 255) // 2).all())


def _luminance(colour: np.ndarray) -> np.ndarray:
    """Rec. 601, rounded to the samples' own type; a grey pixel keeps its exact value."""
    if (colour[..., 0] == colour[..., 1]).all() and (colour[..., 1] == colour[..., 2]).all():
        return np.ascontiguousarray(colour[..., 0])
    red, green, blue = (colour[..., channel].astype(np.float32) for channel in range(3))
    return np.rint(green + 0.299 * (red - green) + 0.114 * (blue - green)).astype(colour.dtype)


def _read_values(
    path: PathLike, values: np.ndarray, what: str, opacity: np.ndarray | None = None
) -> MaskReading:
    """Interprets integers, ``[H, W]``; the mask is multiplied by the opacity if there is one."""
    largest = int(np.iinfo(values.dtype).max)
    counts = np.bincount(values.reshape(-1), minlength=256)
    levels = np.flatnonzero(counts)
    note = ""
    if len(levels) == 1:
        if 0 < levels[0] < largest:
            raise _unclear(path, f"the {what} {levels[0]} everywhere")
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
        if 2 * levels[-1] <= largest:
            raise _unclear(path, f"{what}s from {levels[0]} to {levels[-1]} of {largest}")
        mask = values.astype(np.float32) / np.float32(largest)
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


def _read_colours(
    path: PathLike,
    colour: np.ndarray,
    is_coloured: np.ndarray,
    visible: np.ndarray,
    indices: np.ndarray | None,
    *,
    has_alpha: bool,
) -> MaskReading:
    """Interprets a picture of coloured and other pixels, ``[H, W, 3]``, uint8."""
    brightness = colour.max(axis=-1)
    is_black = visible & ~is_coloured & (brightness <= _DARK)
    red, green, blue = (colour[..., channel].astype(np.uint32) for channel in range(3))
    packed = red << 16 | green << 8 | blue
    codes, counts = np.unique(packed[visible], return_counts=True)
    # A palette of more colours than classes is that of a quantised photo.
    if indices is not None and len(codes) <= 2 * LARGEST_CLASS:
        used = np.unique(indices)
        if is_black.any() or has_alpha:
            return MaskReading((visible & ~is_black).astype(np.float32), "what is coloured moves")
        moves = (indices != 0) & visible
        return MaskReading(
            moves.astype(np.float32),
            f"palette indices: 0 stays, {', '.join(map(str, used[used > 0][:5]))} move",
        )
    has_other_greys = (visible & ~is_coloured & ~is_black).mean() > 1e-3
    has_background = is_black.any() or has_alpha
    if has_other_greys or not has_background or not _is_one_hue(colour[is_coloured]):
        order = np.argsort(-counts)[:4]
        shares = (f"#{codes[i]:06X} {100 * counts[i] / visible.sum():.1f} %" for i in order)
        raise _unclear(path, f"{len(codes)} colours, most often {', '.join(shares)}")
    brush, shares = np.unique(packed[is_coloured], return_counts=True)
    rest = "black" if is_black.any() else "what is transparent"
    note = f"the colour #{brush[shares.argmax()]:06X} moves, {rest} stays"
    if len(codes) <= _MAX_HARD_EDGED:
        return MaskReading((visible & ~is_black).astype(np.float32), note)
    # A soft edge over black is the brush's colour, darkened.
    full = np.percentile(brightness[is_coloured], 90)
    return MaskReading((brightness / np.float32(full)).clip(0, 1) * visible, note)


def _is_one_hue(colours: np.ndarray) -> bool:
    """Whether at least 99 % of the colours, ``[P, 3]``, have one hue."""
    red, green, blue = (colours[:, channel].astype(np.float32) for channel in range(3))
    angle = np.arctan2(np.sqrt(3.0) * (green - blue), 2.0 * red - green - blue)
    chroma = (colours.max(axis=1) - colours.min(axis=1)).astype(np.float32)
    middle = np.angle((chroma * np.exp(1j * angle)).sum())
    distance = np.abs(np.angle(np.exp(1j * (angle - middle))))
    return bool(chroma[distance > np.radians(_HUE_SPREAD)].sum() <= 0.01 * chroma.sum())


def _unclear(path: PathLike, found: str) -> InputError:
    return InputError(
        f"cannot use {path} as a mask: wanted white (moves) on black (stays), or one colour "
        f"(moves) on black or transparency, found {found}"
    )
