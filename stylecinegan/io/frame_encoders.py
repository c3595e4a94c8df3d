from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image


class FrameEncoder(Protocol):
    """Writes one video, frame by frame; the file is opened by the first frame."""

    def write(self, pixels: np.ndarray) -> None:
        """Appends a frame, ``[H, W, 3]``, uint8."""
        ...

    def close(self) -> None:
        """Completes the file."""
        ...

    def abort(self) -> None:
        """Lets go of a file that will be deleted."""
        ...


@dataclass(frozen=True)
class Codec:
    """How one kind of file is encoded by FFmpeg."""

    container: str
    name: str
    options: dict[str, str]
    pixel_format: str = "yuv420p"
    has_colour_tags: bool = True
    container_options: dict[str, str] = field(default_factory=dict)


# 12 ms for 1024x1024 on two threads, 38 to 42 dB on photos; "medium" takes three times as long for
# 1 dB more, and "superfast" makes files half as large again.
H264 = Codec(
    "mp4",
    "libx264",
    {"preset": "veryfast", "crf": "17"},
    # Moves the index to the front, so that a browser plays while it loads.
    container_options={"movflags": "+faststart"},
)
# As fast as SVT-AV1's preset 10 at the same quality, and played by more browsers.
VP9 = Codec(
    "webm",
    "libvpx-vp9",
    {"deadline": "realtime", "cpu-used": "6", "crf": "20", "b": "0", "row-mt": "1"},
)
# libwebp converts colours itself. It holds the compressed frames until the end.
WEBP = Codec(
    "webp",
    "libwebp_anim",
    {"quality": "85", "compression_level": "2"},
    pixel_format="bgra",
    has_colour_tags=False,
)


class VideoEncoder:
    """Encodes through FFmpeg.

    Args:
        path: File to write.
        rate: Frames per second.
        codec: What to encode with.
        loops: How often an animation plays, 0 for ever; video containers cannot say.
    """

    def __init__(self, path: Path, rate: Fraction, codec: Codec, loops: int) -> None:
        self._path = path
        self._rate = rate
        self._codec = codec
        self._options = dict(codec.container_options)
        if codec is WEBP:
            self._options["loop"] = str(loops)
        self._num_frames = 0
        self._container: OutputContainer | None = None

    def write(self, pixels: np.ndarray) -> None:
        """Appends a frame, ``[H, W, 3]``, uint8."""
        if self._container is None:
            self._open(*pixels.shape[:2])
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        if self._codec.has_colour_tags:
            # Tags alone would shift the colours by up to 26/255.
            frame = frame.reformat(
                format=self._codec.pixel_format,
                src_color_range=ColorRange.JPEG,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
        else:
            frame = frame.reformat(format=self._codec.pixel_format)
        frame.pts = self._num_frames
        frame.time_base = 1 / self._rate
        frame.duration = 1
        self._num_frames += 1
        self._mux(frame)

    def close(self) -> None:
        """Completes the file."""
        if self._container is not None:
            self._mux(None)
            self._container.close()

    def abort(self) -> None:
        """Lets go of a file that will be deleted."""
        if self._container is not None:
            self._container.close()

    def _open(self, height: int, width: int) -> None:
        container = av.open(
            str(self._path), "w", format=self._codec.container, container_options=self._options
        )
        self._container = container
        stream = container.add_stream(
            self._codec.name, rate=self._rate, options=dict(self._codec.options)
        )
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        stream.height, stream.width = height, width
        stream.pix_fmt = self._codec.pixel_format
        stream.time_base = 1 / self._rate
        if self._codec.has_colour_tags:
            context = stream.codec_context
            context.color_range = ColorRange.MPEG
            # 1 is BT.709 in each of the three lists of the standard (ITU-T H.273).
            context.colorspace = context.color_primaries = context.color_trc = 1

    def _mux(self, frame: av.VideoFrame | None) -> None:
        assert self._container is not None
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


class FolderEncoder:
    """Writes ``frame_00000.png`` and so on into a folder.

    Args:
        path: An existing folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._num_frames = 0

    def write(self, pixels: np.ndarray) -> None:
        """Appends a frame, ``[H, W, 3]``, uint8."""
        file = self._path / f"frame_{self._num_frames:05d}.png"
        # Level 1 takes a third of the time of the default, for files a tenth larger.
        Image.fromarray(pixels).save(file, compress_level=1)
        self._num_frames += 1

    def close(self) -> None:
        """Does nothing: each file is complete."""

    def abort(self) -> None:
        """Does nothing: no file is open."""
