"""Interpretation of mask pictures: moving pixels by their values or colours."""

import numpy as np

from stylecinegan.io.mask_values import (
    LARGEST_CLASS,
    RINGING,
    MaskReading,
    read_values,
    unclear,
)
from stylecinegan.io.paths import PathLike

_CHROMA = 32
"""Largest difference of two channels, of 255, in a grey pixel: JPEG tints greys."""

_DARK = 40
"""Largest channel, of 255, of a black pixel."""

_MAX_HARD_EDGED = 8
"""Largest number of colours of a drawing with hard edges: anti-aliased edges have more."""

_HUE_SPREAD = 20.0
"""Largest difference in hue, in degrees, between the colours of one brush."""

_EVEN = 0.8
"""Smallest share of the painted pixels near the colour of the paint; JPEG blurs its edges."""

_MIN_PHOTO_GREYS = 64
"""Smallest number of greys in a photo."""


def _voc_colours() -> set[int]:
    """The 256 colours of Pascal VOC's classes, which some tools write without a palette."""
    colours = set()
    for number in range(256):
        bits = [number >> 3 * place for place in range(8)]
        red, green, blue = (
            sum((bits[place] >> channel & 1) << 7 - place for place in range(8))
            for channel in range(3)
        )
        colours.add(red << 16 | green << 8 | blue)
    return colours


_VOC_COLOURS = _voc_colours()

_VOC_UNDEFINED = 0xE0E0C0
"""Colour of VOC's class 255, the borders of objects."""

_BLACK_PAINT = "what is painted moves, what is transparent stays"


def read_mask_pixels(
    path: PathLike, pixels: np.ndarray, indices: np.ndarray | None = None
) -> MaskReading:
    """Interprets a mask picture.

    White moves, black is static, grey is in between. Also understood: two values (the larger
    moves), class numbers (0 is static), palettes of classes (black, or index 0, is static), a brush
    of one colour on black, on transparency or on a grey photo, and a varying alpha with a single
    colour.

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
            reading = read_values(path, opacity, "opacity")
            is_dark = colour[visible].max() <= _DARK * (largest // 255)
            return MaskReading(reading.mask, _BLACK_PAINT) if is_dark else reading
    chroma = colour.max(axis=-1) - colour.min(axis=-1)
    is_coloured = visible & (chroma > _CHROMA * (largest // 255))
    # JPEG artefacts and stray strokes may colour up to a thousandth of the pixels.
    if is_coloured.mean() <= 1e-3 * visible.mean():
        if opacity is None:
            return read_values(path, _luminance(colour), "grey value")
        # Transparent pixels hide their colours.
        return read_values(path, _luminance(colour) * (opacity > 0), "grey value", opacity)
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
            is_class = visible & ~is_black & (packed != _VOC_UNDEFINED)
            return MaskReading(is_class.astype(np.float32), "what is coloured moves")
        moves = (indices != 0) & visible
        return MaskReading(
            moves.astype(np.float32),
            f"palette indices: 0 stays, {', '.join(map(str, used[used > 0][:5]))} move",
        )
    has_other_greys = (visible & ~is_coloured & ~is_black).mean() > 1e-3
    has_background = is_black.any() or has_alpha
    if len(codes) > 2 and 0 in codes and set(codes.tolist()) <= _VOC_COLOURS:
        is_class = visible & (packed != 0) & (packed != _VOC_UNDEFINED)
        return MaskReading(is_class.astype(np.float32), "what is coloured moves")
    if not has_alpha and _is_paint_on_grey(colour, is_coloured):
        paint, shares = np.unique(packed[is_coloured], return_counts=True)
        note = f"the colour #{paint[shares.argmax()]:06X} moves, grey stays"
        return MaskReading(is_coloured.astype(np.float32), note)
    if has_other_greys or not has_background or not _is_one_hue(colour[is_coloured]):
        order = np.argsort(-counts)[:4]
        shares = (f"#{codes[i]:06X} {100 * counts[i] / visible.sum():.1f} %" for i in order)
        raise unclear(path, f"{len(codes)} colours, most often {', '.join(shares)}")
    brush, shares = np.unique(packed[is_coloured], return_counts=True)
    rest = "black" if is_black.any() else "what is transparent"
    note = f"the colour #{brush[shares.argmax()]:06X} moves, {rest} stays"
    if len(codes) <= _MAX_HARD_EDGED:
        return MaskReading((visible & ~is_black).astype(np.float32), note)
    # A soft edge over black is the brush's colour, darkened.
    full = np.percentile(brightness[is_coloured], 90)
    return MaskReading((brightness / np.float32(full)).clip(0, 1) * visible, note)


def _is_paint_on_grey(colour: np.ndarray, is_coloured: np.ndarray) -> bool:
    """Whether one bright, even colour was painted over a grey photo."""
    painted = colour[is_coloured].astype(np.int16)
    paint = np.median(painted, axis=0)
    is_even = (np.abs(painted - paint).max(axis=1) <= RINGING).mean() > _EVEN
    is_photo = len(np.unique(colour[..., 1][~is_coloured])) > _MIN_PHOTO_GREYS
    return bool(is_even and is_photo and np.ptp(paint) > 128)


def _is_one_hue(colours: np.ndarray) -> bool:
    """Whether at least 99 % of the colours, ``[P, 3]``, have one hue."""
    red, green, blue = (colours[:, channel].astype(np.float32) for channel in range(3))
    angle = np.arctan2(np.sqrt(3.0) * (green - blue), 2.0 * red - green - blue)
    chroma = (colours.max(axis=1) - colours.min(axis=1)).astype(np.float32)
    middle = np.angle((chroma * np.exp(1j * angle)).sum())
    distance = np.abs(np.angle(np.exp(1j * (angle - middle))))
    return bool(chroma[distance > np.radians(_HUE_SPREAD)].sum() <= 0.01 * chroma.sum())
