import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from stylecinegan.errors import InputError
from stylecinegan.io.frame_spool import FrameSpool
from stylecinegan.io.paths import PathLike

logger = logging.getLogger(__name__)

SMALLEST_SIDE = 32
"""Pixels; a video whose frames would have to be smaller is refused."""

_NUM_ATTEMPTS = 8
_MARGIN = 0.97  # smaller frames take more bytes per pixel


def encode_below(
    max_bytes: int,
    file: Path,
    frames: FrameSpool,
    encode: Callable[[Iterable[np.ndarray]], None],
    *,
    encode_half: Callable[[Iterable[np.ndarray]], None] | None = None,
    name: PathLike,
) -> None:
    """Encodes smaller and smaller frames until the file is small enough.

    Args:
        max_bytes: Maximal size of the file.
        file: The file to write.
        frames: The frames at their full size.
        encode: Writes frames into the file, replacing its content.
        encode_half: Likewise at half the frame rate; used once the frames would otherwise lose a
            third of their area or more.
        name: Name of the file in messages.

    Raises:
        InputError: If a side would be shorter than 32 pixels.
    """
    scale = 1.0
    for _ in range(_NUM_ATTEMPTS):
        height, width = (round(side * scale) // 2 * 2 for side in frames.size)
        if min(height, width) < SMALLEST_SIDE:
            break
        size = (height, width) if scale < 1.0 else frames.size
        encode(_resized(frames, size))
        num_bytes = file.stat().st_size
        if num_bytes <= max_bytes:
            if scale < 1.0:
                logger.info("%s is %dx%d, to stay under the size", name, width, height)
            return
        excess = num_bytes / max_bytes
        if encode_half is not None and excess > 1.5:
            encode, encode_half = encode_half, None
            excess = max(excess / 2.0, 1.0)
        scale *= _MARGIN * excess**-0.5
    raise InputError(
        f"cannot write {name}: wanted at most {max_bytes / 1e6:g} MB, found that it would need "
        f"frames of under {SMALLEST_SIDE} pixels: use fewer frames"
    )


def _resized(frames: FrameSpool, size: tuple[int, int]) -> Iterator[np.ndarray]:
    for pixels in frames:
        if size == frames.size:
            yield pixels
            continue
        picture = Image.fromarray(pixels)
        yield np.asarray(picture.resize((size[1], size[0]), Image.Resampling.LANCZOS))
