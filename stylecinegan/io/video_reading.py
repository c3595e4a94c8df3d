import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from PIL import Image, ImageSequence
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io.decoding import MAX_PIXELS
from stylecinegan.io.image_files import read_image
from stylecinegan.io.paths import PathLike, existing_file, expand_home
from stylecinegan.io.pixels import from_uint8

# Bilinear with SWS_ACCURATE_RND and SWS_FULL_CHR_H_INT, without which all colours come out one
# level too dark. As numbers, because older versions of PyAV have no names for them.
_INTERPOLATION = Interpolation.BILINEAR | 0x40000 | 0x2000

# No playlists: FFmpeg would open the files and addresses that they name.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,flv,ogg,asf,mxf,nut,ivf,h264,hevc,"
    "yuv4mpegpipe,apng,webp_pipe,webp_anim,m4v,dv,obu"
)
OPEN_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
"""Options that keep FFmpeg from opening anything but the file itself."""

# Errors of PyAV on damaged data.
_DECODER_ERRORS = (av.FFmpegError, OSError, ValueError, MemoryError, RuntimeError)

_UNKNOWN_COLORSPACE = 2  # in the list of the standard (ITU-T H.273)


def read_video(path: PathLike, max_frames: int | None = None) -> Iterator[Tensor]:
    """Reads the frames of a video one at a time, upright.

    Args:
        path: A video that FFmpeg reads, an animated WebP, or a folder of ``.png`` (else ``.jpg``)
            frames, read in the order of their names.
        max_frames: Largest number of frames to read; by default all.

    Returns:
        Images ``[1, 3, H, W]``, float32 in [-1, 1].

    Raises:
        InputError: If this is not a video; while iterating, if it is damaged.
    """
    if os.path.isdir(folder := expand_home(path)):
        pictures = sorted(folder.glob("*.png")) or sorted(folder.glob("*.jpg"))
        if not pictures:
            raise InputError(f"cannot read {path}: wanted a folder of .png or .jpg, found neither")
        return (read_image(picture) for picture in pictures[:max_frames])
    file = existing_file(path, "a video", max_bytes=None).absolute()
    if file.suffix.lower() == ".webp":
        return _decode_webp(path, file, max_frames)
    try:
        with av.open(str(file), options=OPEN_OPTIONS, metadata_errors="replace") as container:
            contexts = [stream.codec_context for stream in container.streams.video]
            # Streams of codecs that FFmpeg does not know have no context.
            sizes = [(c.width, c.height) for c in contexts if c is not None]
            number = _choose_stream(container)
            num_unknown = len(contexts) - len(sizes)
    except _DECODER_ERRORS as error:
        raise InputError(f"cannot read {path}: wanted a video, found other data") from error
    if num_unknown:
        raise InputError(f"cannot read {path}: wanted a video of a known codec, found none")
    if not sizes:
        raise InputError(f"cannot read {path}: wanted a video, found no picture stream")
    _check_size(path, *sizes[number])
    return _decode(path, file, number, max_frames)


def _choose_stream(container: InputContainer) -> int:
    """Video stream with the most frames: an animated AVIF also contains a still picture."""
    counts = [stream.frames for stream in container.streams.video]
    return counts.index(max(counts)) if counts else 0


def _check_size(path: PathLike, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(
            f"cannot read {path}: wanted frames of at most {MAX_PIXELS // 10**6} megapixels, found "
            f"{width}x{height}"
        )


def _decode_webp(path: PathLike, file: Path, max_frames: int | None) -> Iterator[Tensor]:
    """Decodes an animated WebP with Pillow, because FFmpeg cannot."""
    try:
        with Image.open(file, formats=["WEBP"]) as picture:
            _check_size(path, *picture.size)
            for frame in islice(ImageSequence.Iterator(picture), max_frames):
                yield from_uint8(np.array(frame.convert("RGB")))
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"cannot read {path}: wanted a video, found other data") from error


def _decode(path: PathLike, file: Path, number: int, max_frames: int | None) -> Iterator[Tensor]:
    try:
        with av.open(str(file), options=OPEN_OPTIONS, metadata_errors="replace") as container:
            context = container.streams.video[number].codec_context
            context.thread_type = "AUTO"
            context.options = {"max_pixels": str(MAX_PIXELS)}
            for frame in islice(container.decode(video=number), max_frames):
                _check_size(path, frame.width, frame.height)
                yield from_uint8(_rgb_of(frame))
    except InputError:
        raise
    except _DECODER_ERRORS as error:
        raise InputError(f"cannot read {path}: the video is damaged or cut off") from error


def _rgb_of(frame: av.VideoFrame) -> np.ndarray:
    """Converts a frame to RGB by its colour tags, upright, ``[H, W, 3]``, uint8."""
    colorspace, color_range = frame.colorspace, frame.color_range
    if frame.format.is_rgb or frame.format.has_palette:
        rgb = frame.reformat(format="rgb24")
    else:
        if colorspace == _UNKNOWN_COLORSPACE:
            # As players assume for untagged video.
            colorspace = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
        rgb = frame.reformat(
            format="rgb24",
            src_colorspace=colorspace,
            src_color_range=color_range or ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=_INTERPOLATION,
        )
    turns = getattr(frame, "rotation", 0) // 90
    return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), turns))
