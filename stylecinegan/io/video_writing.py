import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io.codecs import CODECS
from stylecinegan.io.frame_encoders import FolderEncoder, FrameEncoder, VideoEncoder
from stylecinegan.io.frame_spool import FrameSpool
from stylecinegan.io.gif import SHORTEST_DELAY, GifEncoder
from stylecinegan.io.paths import (
    VIDEO_SUFFIXES,
    PathLike,
    output_path,
    replacing,
    reporting_write_errors,
)
from stylecinegan.io.pixels import to_uint8
from stylecinegan.io.size_limit import encode_below
from stylecinegan.io.webp import LONGEST_SIDE as WEBP_LONGEST_SIDE
from stylecinegan.io.webp import WebPEncoder

logger = logging.getLogger(__name__)

# Frames that may wait for the encoder; more would only cost memory.
_MAX_WAITING = 3

# Frames per second above which a size-limited GIF may drop some, and its shortest delay then, in
# hundredths of a second.
_GIF_HALF_RATE = 16
_GIF_HALF_DELAY = 6
_LONGEST_SIDE = {suffix: codec.longest_side for suffix, codec in CODECS.items()}
_LONGEST_SIDE |= {".gif": 65535, ".webp": WEBP_LONGEST_SIDE}
_LOOPING_SUFFIXES = (
    ".gif",
    ".webp",
    *(name for name, codec in CODECS.items() if codec.loop_option),
)
_EVEN_SUFFIXES = tuple(name for name, codec in CODECS.items() if codec.needs_even_sides)

ALPHA_SUFFIXES = ("", *(name for name, c in CODECS.items() if c.alpha_pixel_format), ".webp")
"""Suffixes of the formats with alpha; the empty one means a folder of frames."""


def write_video(
    path: PathLike,
    frames: Iterable[Tensor],
    *,
    fps: float | Fraction,
    loops: int = 0,
    repeat: int = 1,
    max_bytes: int | None = None,
    check: Callable[[], None] | None = None,
) -> None:
    """Writes a video; the suffix decides the format, and parent folders are created.

    Frames are taken one at a time while earlier ones are encoded in a thread. The file replaces an
    existing one only when it is complete, not after an error or interrupt. ``.mp4`` (H.264),
    ``.webm`` (VP9), ``.mov`` (ProRes 4444) and ``.avif`` (AV1) need even sides: the last row or
    column of an odd one is cropped, with a warning.

    Args:
        path: ``.mp4``, ``.webm``, ``.mov``, ``.avif``, ``.gif``, ``.webp``, ``.apng``, or a folder
            (no suffix or a trailing slash) for ``frame_00000.png`` and so on. Such a folder of
            frames is replaced.
        frames: Images ``[1, 3, H, W]`` in [-1, 1], all of one size, or ``[1, 4, H, W]`` with alpha
            (-1 transparent, 1 opaque; colours not premultiplied) for ``.webm``, ``.mov``,
            ``.webp``, ``.apng`` and folders.
        fps: Frames per second, in (0, 1000]. GIF rounds times to hundredths of a second and keeps
            the total length.
        loops: Number of times that ``.gif``, ``.webp``, ``.avif`` and ``.apng`` play, 0 for ever;
            ignored by the others.
        repeat: Number of times that the frames are written, for players that do not loop; not for
            the four formats above.
        max_bytes: Maximal size of the file, not for a folder: frames are buffered on disk and made
            smaller until they fit; a GIF first drops to about 15 frames per second.
        check: Called ten times a second while the last frames are encoded; an exception that it
            raises cancels the writing, as one of ``frames`` does.

    Raises:
        InputError: If the file cannot be written, there is no frame, ``fps`` is out of range, the
            format does not support an option, or even tiny frames exceed ``max_bytes``.
        ValueError: If a frame is not one image or differs in size from the first.
    """
    rate = _frame_rate(fps)
    suffix = output_path(path)[1]
    check_video_options(path, repeat=repeat, max_bytes=max_bytes)
    with replacing(path, VIDEO_SUFFIXES) as temporary:
        pixels = _pixels_of(path, suffix, frames)

        def encode(pixels: Iterable[np.ndarray], shortest_delay: int = SHORTEST_DELAY) -> None:
            encoder = _encoder(temporary, suffix, rate, loops, repeat, shortest_delay)
            _encode(path, encoder, iter(pixels), check)

        if max_bytes is None:
            encode(pixels)
            return
        with reporting_write_errors(path):
            spool = FrameSpool(temporary.parent, pixels)
        with closing(spool):
            is_fast = suffix == ".gif" and rate > _GIF_HALF_RATE
            encode_half = partial(encode, shortest_delay=_GIF_HALF_DELAY) if is_fast else None
            encode_below(max_bytes, temporary, spool, encode, encode_half=encode_half, name=path)


def check_video_options(
    path: PathLike, *, repeat: int = 1, max_bytes: int | None = None, has_alpha: bool = False
) -> None:
    """Checks that a format supports the options (arguments as of :func:`write_video`).

    Args:
        path: The output path.
        repeat: Number of times that the frames are written.
        max_bytes: Maximal size of the file.
        has_alpha: Whether frames have alpha.

    Raises:
        InputError: If it does not.
    """
    suffix = output_path(path)[1]
    if has_alpha and suffix not in ALPHA_SUFFIXES:
        wanted = ", ".join(filter(None, ALPHA_SUFFIXES))
        raise InputError(
            f"cannot write {path}: {suffix} holds no alpha, wanted {wanted} or a folder of frames"
        )
    if repeat < 1:
        raise InputError(f"repeat must be at least 1, got {repeat}")
    if repeat > 1 and suffix in _LOOPING_SUFFIXES:
        raise InputError(
            f"cannot write {path}: {suffix} loops by itself, repeat={repeat} is for "
            ".mp4, .webm, .mov and folders of frames"
        )
    if max_bytes is not None and suffix == "":
        raise InputError(f"cannot write {path}: a folder of frames has no size to stay under")
    if max_bytes is not None and max_bytes <= 0:
        raise InputError(f"max_mb must be more than 0, got {max_bytes / 1e6:g}")


def _frame_rate(fps: float | Fraction) -> Fraction:
    if not math.isfinite(fps) or not 0 < fps <= 1000:
        raise InputError(f"wanted a rate of 1000 frames per second at most, found fps={fps}")
    # Containers hold small fractions only; 29.97 becomes 2997/100.
    rate = Fraction(fps).limit_denominator(1001)
    return rate or Fraction(1, 1001)


def _encoder(
    path: Path, suffix: str, rate: Fraction, loops: int, repeat: int, shortest_delay: int
) -> FrameEncoder:
    if suffix == "":
        return FolderEncoder(path, repeat)
    if suffix == ".gif":
        return GifEncoder(path, rate, loops, shortest_delay)
    if suffix == ".webp":
        return WebPEncoder(path, rate, loops)
    return VideoEncoder(path, rate, CODECS[suffix], loops, repeat)


def _pixels_of(path: PathLike, suffix: str, frames: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """Converts frames to uint8, ``[H, W, 3 or 4]``, cropped to even sides where required."""
    first_shape = None
    for frame in frames:
        if first_shape is None:
            first_shape = frame.shape
            _check_frame_size(path, suffix, frame)
        if frame.ndim != 4 or frame.shape[1] not in (3, 4) or frame.shape != first_shape:
            raise ValueError(
                f"frames must be [1, 3 or 4, H, W] and of one size, got {list(frame.shape)} "
                f"after {list(first_shape)}"
            )
        pixels = to_uint8(frame).numpy()
        if suffix in _EVEN_SUFFIXES:
            height, width = (side - side % 2 for side in pixels.shape[:2])
            pixels = np.ascontiguousarray(pixels[:height, :width])
        yield pixels
    if first_shape is None:
        raise InputError(f"cannot write {path}: wanted at least one frame, found none")


def _check_frame_size(path: PathLike, suffix: str, frame: Tensor) -> None:
    height, width = frame.shape[-2:]
    check_video_options(path, has_alpha=frame.shape[1] == 4)
    longest = _LONGEST_SIDE.get(suffix)
    if longest is not None and max(height, width) > longest:
        raise InputError(
            f"cannot write {path}: wanted at most {longest} pixels a side for {suffix}, "
            f"found {width}x{height}"
        )
    smallest = CODECS[suffix].smallest_side if suffix in CODECS else 1
    if min(height, width) < smallest:
        raise InputError(
            f"cannot write {path}: wanted at least {smallest} pixels a side for {suffix}, "
            f"found {width}x{height}"
        )
    if suffix in _EVEN_SUFFIXES and (height % 2 or width % 2):
        logger.warning(
            "%s needs even sides: the video is %dx%d, cropped from %dx%d at the right and bottom",
            suffix,
            width - width % 2,
            height - height % 2,
            width,
            height,
        )


def _encode(
    path: PathLike,
    encoder: FrameEncoder,
    frames: Iterator[np.ndarray],
    check: Callable[[], None] | None,
) -> None:
    """Encodes in a thread, while the next frames are rendered."""
    waiting: deque[Future[None]] = deque()
    is_cancelled = threading.Event()

    def run(step: Callable[..., None], *arguments: Any) -> None:
        if is_cancelled.is_set():  # skips what was queued before a failure
            return
        try:
            step(*arguments)
        except BaseException:
            is_cancelled.set()
            raise

    worker = ThreadPoolExecutor(1, thread_name_prefix="video-encoder")
    try:
        for pixels in frames:
            waiting.append(worker.submit(run, encoder.write, pixels))
            with reporting_write_errors(path):
                while waiting[0].done() or len(waiting) > _MAX_WAITING:
                    waiting.popleft().result()
                    if not waiting:
                        break
        waiting.append(worker.submit(run, encoder.close, is_cancelled.is_set))
        while check is not None and not waiting[-1].done():
            check()
            wait([waiting[-1]], timeout=0.1)
        with reporting_write_errors(path):
            for future in waiting:
                future.result()
    except BaseException:
        is_cancelled.set()
        worker.shutdown(cancel_futures=True)
        # The trailer of a broken file may fail again, which would hide the first error.
        with suppress(OSError, av.FFmpegError):
            encoder.abort()
        raise
    worker.shutdown()
