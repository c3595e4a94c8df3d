import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io.frame_encoders import (
    H264,
    VP9,
    WEBP,
    FolderEncoder,
    FrameEncoder,
    VideoEncoder,
)
from stylecinegan.io.gif import GifEncoder
from stylecinegan.io.paths import (
    VIDEO_SUFFIXES,
    PathLike,
    output_path,
    replacing,
    reporting_write_errors,
)
from stylecinegan.io.pixels import to_uint8

logger = logging.getLogger(__name__)

# Frames that may wait for the encoder; more would only take memory.
_MAX_WAITING = 3
_LONGEST_SIDE = {".mp4": 16384, ".webm": 65534, ".gif": 65535, ".webp": 16383}


def write_video(
    path: PathLike, frames: Iterable[Tensor], *, fps: float | Fraction, loops: int = 0
) -> None:
    """Writes a video; the suffix decides the format, and parent folders are created.

    Frames are taken one at a time while earlier ones are encoded in a thread. The result appears
    under its name when it is complete; if anything fails, also at an interrupt, what was there
    before stays untouched. ``.mp4`` (H.264) and ``.webm`` (VP9) need even sides: an odd one loses
    its last row or column, with a warning.

    Args:
        path: ``.mp4``, ``.webm``, ``.gif``, ``.webp``, or a folder (no suffix or a trailing slash)
            for ``frame_00000.png`` and so on. Such a folder of frames is replaced.
        frames: Images ``[1, 3, H, W]`` in [-1, 1], all of one size.
        fps: Frames per second. GIF counts in hundredths of a second and keeps the total length.
        loops: How often ``.gif`` and ``.webp`` play; 0 is for ever. The others cannot say.

    Raises:
        InputError: If the file cannot be written, there is no frame, or ``fps`` is no rate.
        ValueError: If a frame is not one image or differs in size from the first.
    """
    rate = _frame_rate(fps)
    with replacing(path, VIDEO_SUFFIXES) as temporary:
        suffix = output_path(path)[1]
        encoder = _encoder(temporary, suffix, rate, loops)
        _encode(path, encoder, _pixels_of(path, suffix, frames))


def _frame_rate(fps: float | Fraction) -> Fraction:
    if not math.isfinite(fps) or not 0 < fps <= 1000:
        raise InputError(f"wanted a rate of 1000 frames per second at most, found fps={fps}")
    # Containers hold small fractions only; 29.97 becomes 2997/100.
    rate = Fraction(fps).limit_denominator(1001)
    return rate or Fraction(1, 1001)


def _encoder(path: Path, suffix: str, rate: Fraction, loops: int) -> FrameEncoder:
    if suffix == "":
        return FolderEncoder(path)
    if suffix == ".gif":
        return GifEncoder(path, rate, loops)
    codec = {".mp4": H264, ".webm": VP9, ".webp": WEBP}[suffix]
    return VideoEncoder(path, rate, codec, loops)


def _pixels_of(path: PathLike, suffix: str, frames: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """Yields ``[H, W, 3]``, uint8, of each frame, cropped as the format needs it."""
    first_shape = None
    for frame in frames:
        if first_shape is None:
            first_shape = frame.shape
            _check_frame_size(path, suffix, frame)
        if frame.ndim != 4 or frame.shape[1] != 3 or frame.shape != first_shape:
            raise ValueError(
                f"frames must be [1, 3, H, W] and of one size, got {list(frame.shape)} "
                f"after {list(first_shape)}"
            )
        pixels = to_uint8(frame).numpy()
        if suffix in (".mp4", ".webm"):
            height, width = (side - side % 2 for side in pixels.shape[:2])
            pixels = np.ascontiguousarray(pixels[:height, :width])
        yield pixels
    if first_shape is None:
        raise InputError(f"cannot write {path}: wanted at least one frame, found none")


def _check_frame_size(path: PathLike, suffix: str, frame: Tensor) -> None:
    height, width = frame.shape[-2:]
    longest = _LONGEST_SIDE.get(suffix)
    if longest is not None and max(height, width) > longest:
        raise InputError(
            f"cannot write {path}: wanted at most {longest} pixels a side for {suffix}, "
            f"found {width}x{height}"
        )
    if suffix in (".mp4", ".webm") and (height % 2 or width % 2):
        if min(height, width) < 2:
            raise InputError(f"cannot write {path}: wanted 2x2 pixels, found {width}x{height}")
        logger.warning(
            "%s needs even sides: the video is %dx%d, cropped from %dx%d at the right and bottom",
            suffix,
            width - width % 2,
            height - height % 2,
            width,
            height,
        )


def _encode(path: PathLike, encoder: FrameEncoder, frames: Iterator[np.ndarray]) -> None:
    """Runs the encoder in one thread, a few frames behind the frames that are being computed."""
    waiting: deque[Future[None]] = deque()
    has_failed = threading.Event()

    def run(step: Callable[..., None], *arguments: np.ndarray) -> None:
        if has_failed.is_set():  # what was queued behind a failure
            return
        try:
            step(*arguments)
        except BaseException:
            has_failed.set()
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
        waiting.append(worker.submit(run, encoder.close))
        with reporting_write_errors(path):
            for future in waiting:
                future.result()
    except BaseException:
        worker.shutdown(cancel_futures=True)
        # The trailer of a broken file may fail again, which would hide the first error.
        with suppress(OSError, av.FFmpegError):
            encoder.abort()
        raise
    worker.shutdown()
