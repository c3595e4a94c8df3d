"""Matrix colour profiles (three tone curves and a matrix), applied in floating point.

Pillow's LittleCMS converts 8-bit pictures; this is for 16-bit ones, and for pictures that a camera
marks as Adobe RGB without embedding the profile.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Curve = Callable[[np.ndarray], np.ndarray]
"""Maps encoded values in [0, 1] to linear ones."""

# XYZ is relative to D50, the white point of profiles; D65 is adapted by Bradford's method.
_SRGB_FROM_XYZ = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)

_ADOBE_RGB_TO_XYZ = np.array(
    [
        [0.6097559, 0.2052401, 0.1492240],
        [0.3111242, 0.6256560, 0.0632197],
        [0.0194811, 0.0608902, 0.7448387],
    ]
)

_TABLE_SIZE = 65536


@dataclass(frozen=True)
class MatrixProfile:
    """An RGB profile.

    Attributes:
        curves: Tone curves of red, green and blue.
        to_xyz: Matrix from linear RGB to XYZ relative to D50, ``[3, 3]``.
    """

    curves: tuple[Curve, Curve, Curve]
    to_xyz: np.ndarray

    def convert(self, pixels: np.ndarray) -> np.ndarray:
        """Converts to sRGB; colours out of gamut are clipped.

        Args:
            pixels: ``[H, W, 3]``, uint8 or uint16.

        Returns:
            Pixels of the same shape and type.
        """
        largest = int(np.iinfo(pixels.dtype).max)
        stored = np.arange(largest + 1) / largest
        tables = [curve(stored).astype(np.float32) for curve in self.curves]
        matrix = (_SRGB_FROM_XYZ @ self.to_xyz).astype(np.float32)
        encoded = _srgb_table(largest)
        converted = np.empty_like(pixels)
        for source, target in zip(pixels, converted, strict=True):  # row by row, to save memory
            linear = np.stack([tables[c][source[:, c]] for c in range(3)], axis=1) @ matrix.T
            target[:] = encoded[np.rint(linear.clip(0, 1) * (_TABLE_SIZE - 1)).astype(np.int32)]
        return converted


def parse_profile(profile: bytes) -> MatrixProfile | None:
    """Parses an ICC profile; ``None`` if it is not a matrix profile.

    The curve of a grey profile is used for all three channels.

    Raises:
        ValueError: If it is damaged.
        struct.error: If it is cut off.
    """
    space = profile[16:20]
    tags = _parse_tags(profile)
    if space == b"GRAY" and b"kTRC" in tags:
        curve = _parse_curve(tags[b"kTRC"])
        return MatrixProfile((curve, curve, curve), np.linalg.inv(_SRGB_FROM_XYZ))
    wanted = {b"rTRC", b"gTRC", b"bTRC", b"rXYZ", b"gXYZ", b"bXYZ"}
    if space != b"RGB " or b"A2B0" in tags or not wanted <= tags.keys():
        return None
    columns = [struct.unpack(">8x3i", tags[name][:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    red, green, blue = (_parse_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    return MatrixProfile((red, green, blue), np.array(columns).T / 65536)


def _parse_tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack(">I", profile[128:132])
    if count > 1000:
        raise ValueError(f"wanted at most 1000 tags, found {count}")
    entries = [struct.unpack(">4sII", profile[132 + 12 * i : 144 + 12 * i]) for i in range(count)]
    return {name: profile[start : start + size] for name, start, size in entries}


def _parse_curve(tag: bytes) -> Curve:
    if tag[:4] == b"para":
        return _parametric(tag)
    if tag[:4] != b"curv":
        raise ValueError(f"wanted a curve, found {tag[:4]!r}")
    (count,) = struct.unpack(">I", tag[8:12])
    if count == 0:
        return lambda stored: stored
    values = np.frombuffer(tag, ">u2", count, offset=12)
    if count == 1:
        gamma = float(values[0]) / 256
        return lambda stored: stored**gamma
    return lambda stored: np.interp(stored, np.linspace(0, 1, count), values / 65535)


def _parametric(tag: bytes) -> Curve:
    """Parametric curve (ICC.1, 10.18): ``(a x + b)^g + e`` for ``x >= d``, else ``c x + f``."""
    (kind,) = struct.unpack(">H", tag[8:10])
    if kind > 4:
        raise ValueError(f"wanted a parametric curve of kind 0 to 4, found {kind}")
    count = (1, 3, 4, 5, 7)[kind]
    numbers = [number / 65536 for number in struct.unpack(f">{count}i", tag[12 : 12 + 4 * count])]
    gamma, a, b, c, d, e, f = [*numbers, *[0.0] * (7 - count)]
    if kind == 0:
        a = 1.0
    elif kind in (1, 2):
        # In the file, c is the offset of both parts, and the power part begins at -b / a.
        d, e, f, c = -b / a, c, c, 0.0
    return lambda stored: np.where(
        stored >= d, np.maximum(a * stored + b, 0.0) ** gamma + e, c * stored + f
    )


def _srgb_table(largest: int) -> np.ndarray:
    """Encoded sRGB values of evenly spaced linear ones."""
    linear = np.linspace(0.0, 1.0, _TABLE_SIZE)
    stored = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(stored * largest).astype(np.uint8 if largest == 255 else np.uint16)


def _adobe_curve(stored: np.ndarray) -> np.ndarray:
    return stored ** (563 / 256)


ADOBE_RGB = MatrixProfile((_adobe_curve, _adobe_curve, _adobe_curve), _ADOBE_RGB_TO_XYZ)
"""Adobe RGB (1998)."""
