import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

LONGEST_SIDE = 16383
"""Longest side of a frame, in pixels."""

_QUALITY, _METHOD = 85, 2
"""Quality of libwebp, in [0, 100], and its effort, in [0, 6]."""

_BLOCK = 16
"""Side of VP8's macroblocks, which are transparent where nothing has changed."""

_HAS_ANIMATION, _HAS_ALPHA = 0x02, 0x10
_IS_NOT_BLENDED = 0x02


class WebPEncoder:
    """Writes an animated WebP of lossy frames.

    Macroblocks that have not changed since the frame before are transparent, so that they keep
    their pixels: static regions neither flicker nor take bytes. libwebp's own animation encoder
    skips pixels that changed by some levels, too; in slow loops these add up to visible blocks.

    Args:
        path: File to write.
        rate: Frames per second.
        loops: Number of times that the animation plays, 0 for ever.
    """

    def __init__(self, path: Path, rate: Fraction, loops: int) -> None:
        self._path = path
        self._rate = rate
        self._loops = loops
        self._num_frames = 0
        self._stream: BinaryIO | None = None
        self._previous: np.ndarray | None = None

    def write(self, pixels: np.ndarray) -> None:
        """Appends a frame, ``[H, W, 3]`` or with alpha ``[H, W, 4]``, uint8."""
        stream = self._stream or self._open(pixels)
        flags, shown = _IS_NOT_BLENDED, pixels
        if self._previous is not None and pixels.shape[2] == 3:
            flags, shown = 0, _with_changes_only(pixels, self._previous)
        still = BytesIO()
        Image.fromarray(shown).save(still, "WEBP", quality=_QUALITY, method=_METHOD)
        data = b"".join(_chunk(*part) for part in _chunks(still.getvalue()) if part[0] != b"VP8X")
        height, width = pixels.shape[:2]
        start, end = (
            round(1000 * frame / self._rate) for frame in (self._num_frames, self._num_frames + 1)
        )
        sizes = b"".join(_uint24(value) for value in (0, 0, width - 1, height - 1, end - start))
        stream.write(_chunk(b"ANMF", sizes + bytes([flags]) + data))
        self._num_frames += 1
        self._previous = pixels

    def close(self, is_cancelled: Callable[[], bool]) -> None:
        """Completes the file; ``is_cancelled`` is not needed for that."""
        if self._stream is not None:
            size = self._stream.tell()
            self._stream.seek(4)
            self._stream.write(struct.pack("<I", size - 8))
            self._stream.close()

    def abort(self) -> None:
        """Closes an incomplete file, which the caller deletes."""
        if self._stream is not None:
            self._stream.close()

    def _open(self, pixels: np.ndarray) -> BinaryIO:
        stream = self._stream = self._path.open("wb")
        height, width = pixels.shape[:2]
        header = bytes([_HAS_ANIMATION | _HAS_ALPHA, 0, 0, 0])
        header += _uint24(width - 1) + _uint24(height - 1)
        # The size of the file, 0 here, is written at the end; the background is transparent.
        stream.write(b"RIFF\0\0\0\0WEBP" + _chunk(b"VP8X", header))
        stream.write(_chunk(b"ANIM", struct.pack("<IH", 0, self._loops)))
        return stream


def _with_changes_only(pixels: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Adds alpha to ``[H, W, 3]``: 0 in macroblocks without changes from the previous frame."""
    height, width = pixels.shape[:2]
    changed = (pixels != previous).any(axis=2)
    padded = np.pad(changed, ((0, -height % _BLOCK), (0, -width % _BLOCK)))
    rows, columns = (side // _BLOCK for side in padded.shape)
    blocks = padded.reshape(rows, _BLOCK, columns, _BLOCK).any(axis=(1, 3))
    alpha = blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:height, :width]
    return np.dstack([pixels, 255 * alpha.astype(np.uint8)])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the chunks of a still WebP."""
    place = 12
    while place < len(data):
        name, size = struct.unpack("<4sI", data[place : place + 8])
        yield name, data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _uint24(value: int) -> bytes:
    return value.to_bytes(3, "little")
