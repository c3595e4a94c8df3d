import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import GifImagePlugin, Image

_NUM_COLOURS = 255
_UNCHANGED = 255
"""The last palette index, transparent: marks pixels that are unchanged since the frame before."""

SHORTEST_DELAY = 2
"""Hundredths of a second: browsers show frames with a shorter delay for a tenth of a second."""

_PALETTE_SIDE = 512
"""Longer side, in pixels, of the subsampled frame that the palette is chosen from."""

_CELL_BITS = 6
"""Bits per channel of the colours that the dithering table is indexed by."""

_LEVELS = 16
"""Thresholds of the 4x4 dithering pattern."""

_NUM_PARTNERS = 16
"""Nearest palette entries that an entry may be mixed with."""


class GifEncoder:
    """Writes a GIF with ordered dithering to one palette, chosen from the first frame.

    With ordered dithering a static pixel has the same index in every frame: it neither flickers, as
    with error diffusion, nor takes bytes. Start times are rounded to hundredths of a second, so
    that the loop keeps its length; above 50 frames per second frames are dropped.

    Args:
        path: File to write.
        rate: Frames per second.
        loops: Number of times that the animation plays, 0 for ever.
        shortest_delay: Hundredths of a second; frames that would be shown for less are dropped.
    """

    def __init__(
        self, path: Path, rate: Fraction, loops: int, shortest_delay: int = SHORTEST_DELAY
    ) -> None:
        self._path = path
        self._rate = rate
        self._loops = loops
        self._shortest_delay = shortest_delay
        self._num_frames = 0
        self._stream = None
        # The latest frame, written once its delay is known from the start of the next one.
        self._waiting: np.ndarray | None = None
        self._waiting_start = 0
        self._shown: np.ndarray | None = None

    def write(self, pixels: np.ndarray) -> None:
        """Appends a frame, ``[H, W, 3]``, uint8."""
        if self._stream is None:
            self._open(pixels)
        start = self._start_of(self._num_frames)
        self._num_frames += 1
        if self._waiting is not None:
            if start - self._waiting_start < self._shortest_delay:
                return
            self._flush(start)
        self._waiting = dither(pixels, self._table)
        self._waiting_start = start

    def close(self, is_cancelled: Callable[[], bool]) -> None:
        """Writes the last frame and the trailer; ``is_cancelled`` is not needed for that."""
        if self._stream is not None:
            self._flush(self._start_of(self._num_frames))
            self._stream.write(b";")
            self._stream.close()

    def abort(self) -> None:
        """Closes an incomplete file, which the caller deletes."""
        if self._stream is not None:
            self._stream.close()

    def _start_of(self, frame: int) -> int:
        return round(100 * frame / self._rate)

    def _open(self, pixels: np.ndarray) -> None:
        palette = choose_palette(pixels)
        self._table = dither_table(palette)
        self._stream = self._path.open("wb")
        height, width = pixels.shape[:2]
        # 0xF7: a global palette of 256 colours with 8 bits each.
        header = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0)
        entries = palette.tobytes().ljust(3 * 256, b"\0")
        # A GIF without this block plays once; n in it means 1 + n times, 0 for ever.
        loop = b""
        if self._loops != 1:
            repetitions = max(self._loops - 1, 0)
            loop = b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repetitions) + b"\0"
        self._stream.write(header + entries + loop)

    def _flush(self, end: int) -> None:
        assert self._waiting is not None
        assert self._stream is not None
        indices, top, left = self._waiting, 0, 0
        if self._shown is not None:
            indices, top, left = _changes(self._shown, indices)
        delay = max(end - self._waiting_start, 1)
        blocks = GifImagePlugin.getdata(
            Image.fromarray(indices),
            (left, top),
            duration=10 * delay,
            disposal=1,  # transparent pixels keep the colour of the frame before
            transparency=_UNCHANGED,
            interlace=0,
        )
        self._stream.write(b"".join(blocks))
        self._shown = self._waiting


def _changes(shown: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Crops ``indices`` to the changes from ``shown``; unchanged pixels become transparent."""
    changed = shown != indices
    rows, columns = changed.any(axis=1).nonzero()[0], changed.any(axis=0).nonzero()[0]
    if len(rows) == 0:
        return np.full((1, 1), _UNCHANGED, np.uint8), 0, 0
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    different = np.where(changed[box], indices[box], np.uint8(_UNCHANGED))
    return different, int(rows[0]), int(columns[0])


def choose_palette(pixels: np.ndarray) -> np.ndarray:
    """Chooses up to 255 colours for ``[H, W, 3]``, uint8; returns ``[K, 3]``, uint8."""
    step = max(1, -(-max(pixels.shape[:2]) // _PALETTE_SIDE))
    # Subsampled, because averages across edges would be colours of neither side.
    sample = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step]))
    quantized = sample.quantize(_NUM_COLOURS, Image.Quantize.MEDIANCUT, kmeans=2)
    entries = quantized.getpalette()
    assert entries is not None
    num_used = int(np.asarray(quantized).max()) + 1
    return np.array(entries[: 3 * num_used], np.uint8).reshape(-1, 3)


def dither_table(palette: np.ndarray) -> np.ndarray:
    """Computes the palette index of every colour at every threshold of the dithering pattern.

    Each colour is mixed from its nearest entry and one of that entry's neighbours: the one with
    the smallest error of the mean plus a penalty on the grain.

    Args:
        palette: ``[K, 3]``, uint8.

    Returns:
        Palette indices, ``[16, 64^3]``, uint8, by threshold and by the upper 6 bits of (r, g, b).
    """
    side = 2**_CELL_BITS
    width = 256 // side
    levels = np.arange(side, dtype=np.float32) * width + (width - 1) / 2
    red, green, blue = np.meshgrid(levels, levels, levels, indexing="ij")
    colours = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    nearest = _nearest(colours, palette)
    entries = palette.astype(np.float32)
    distances = np.square(entries[:, None] - entries).sum(-1)
    neighbours = distances.argsort(axis=1)[:, 1 : _NUM_PARTNERS + 1]  # [K, 16]
    if len(palette) == 1:
        neighbours = np.zeros((1, 1), np.int64)
    thresholds = ((np.arange(_LEVELS, dtype=np.float32) + 0.5) / _LEVELS)[:, None]
    table = np.empty((_LEVELS, len(colours)), np.uint8)
    for start in range(0, len(colours), side**2):  # in slices, to save memory
        part = slice(start, start + side**2)
        second, share = _mix(colours[part], nearest[part], neighbours, entries)
        table[:, part] = np.where(thresholds < share, second, nearest[part])
    return table


def _nearest(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Finds the index of the nearest entry for each colour, ``[N]``."""
    reference = Image.new("P", (1, 1))
    # Entries are repeated, because Pillow would pad the palette with black.
    repeats = -(-256 // len(palette))
    reference.putpalette(np.tile(palette, (repeats, 1))[:256].tobytes())
    picture = Image.fromarray(colours.astype(np.uint8)[None])
    indices = picture.quantize(palette=reference, dither=Image.Dither.NONE)
    return np.asarray(indices)[0] % len(palette)


def _mix(
    colours: np.ndarray, nearest: np.ndarray, neighbours: np.ndarray, entries: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the second entry for each colour, ``[N]``, and its share in [0, 0.5], ``[N]``."""
    partners = neighbours[nearest]  # [N, 16]
    first = entries[nearest]
    towards = entries[partners] - first[:, None]  # [N, 16, 3]
    wanted = (colours - first)[:, None]
    squared = np.square(towards).sum(-1)
    share = ((wanted * towards).sum(-1) / squared.clip(min=1)).clip(0, 0.5)
    error = np.square(wanted - share[..., None] * towards).sum(-1)
    # A tenth of the grain's variance: the eye averages most of it away.
    best = (error + 0.1 * share * (1 - share) * squared).argmin(axis=1)
    rows = np.arange(len(best))
    return partners[rows, best], share[rows, best]


def dither(pixels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Dithers ``[H, W, 3]``, uint8, to palette indices ``[H, W]``, uint8."""
    height, width = pixels.shape[:2]
    # Bayer's 4x4 order: neighbours get thresholds that are far apart.
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.int32)
    position = np.tile(bayer, (-(-height // 4), -(-width // 4)))[:height, :width]
    for channel in range(3):
        position = position << _CELL_BITS | pixels[..., channel] >> (8 - _CELL_BITS)
    return table.reshape(-1).take(position)
