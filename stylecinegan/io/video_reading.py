from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io.image_files import read_image
from stylecinegan.io.paths import PathLike, existing_file
from stylecinegan.io.pixels import from_uint8

# Bilinear with SWS_ACCURATE_RND and SWS_FULL_CHR_H_INT: without them all colours come out one
# level too dark. By number, since older PyAV has no names for them.
_INTERPOLATION = Interpolation.BILINEAR | 0x40000 | 0x2000

_UNKNOWN_COLORSPACE = 2  # in the list of the standard (ITU-T H.273)


def read_video(path: PathLike, max_frames: int | None = None) -> Iterator[Tensor]:
    """Reads the frames of a video one at a time, upright.

    Args:
        path: A video that FFmpeg reads, or a folder of pictures, taken by name.
        max_frames: Stop after so many frames.

    Returns:
        Images ``[1, 3, H, W]``, float32 in [-1, 1].

    Raises:
        InputError: If there is no such video; while iterating, if it is damaged.
    """
    if Path(path).expanduser().is_dir():
        pictures = sorted(Path(path).expanduser().glob("*.png"))
        pictures = pictures or sorted(Path(path).expanduser().glob("*.jpg"))
        if not pictures:
            raise InputError(f"cannot read {path}: wanted a folder of .png or .jpg, found neither")
        return (read_image(picture) for picture in pictures[:max_frames])
    file = existing_file(path, "a video").absolute()
    try:
        with av.open(str(file)) as container:
            num_streams = len(container.streams.video)
    except av.FFmpegError as error:
        raise InputError(f"cannot read {path}: wanted a video, found other data") from error
    if num_streams == 0:
        raise InputError(f"cannot read {path}: wanted a video, found no picture stream")
    return _decode(path, file, max_frames)


def _decode(path: PathLike, file: Path, max_frames: int | None) -> Iterator[Tensor]:
    try:
        with av.open(str(file)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for number, frame in enumerate(container.decode(video=0)):
                if number == max_frames:
                    return
                yield from_uint8(_rgb_of(frame))
    except av.FFmpegError as error:
        raise InputError(f"cannot read {path}: the video is damaged or cut off") from error


def _rgb_of(frame: av.VideoFrame) -> np.ndarray:
    """Converts as the tags say, and turns upright; ``[H, W, 3]``, uint8."""
    colorspace, color_range = frame.colorspace, frame.color_range
    if frame.format.is_rgb or frame.format.has_palette:
        rgb = frame.reformat(format="rgb24")
    else:
        if colorspace == _UNKNOWN_COLORSPACE:
            # What players assume of untagged video.
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
