import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from stylecinegan.io.codecs import Codec

BT709 = 1
"""Code of BT.709 in the standard's lists (ITU-T H.273) of matrices, primaries and transfers."""


class FrameEncoder(Protocol):
    """Writes one video, frame by frame; the first frame opens the file."""

    def write(self, pixels: np.ndarray) -> None:
        """Appends a frame, ``[H, W, 3]`` or with alpha ``[H, W, 4]``, uint8."""
        ...

    def close(self, is_cancelled: Callable[[], bool]) -> None:
        """Completes the file; stops early if cancelled, which is checked between frames."""
        ...

    def abort(self) -> None:
        """Closes an incomplete file, which the caller deletes."""
        ...


class VideoEncoder:
    """Encodes through FFmpeg.

    Args:
        path: File to write.
        rate: Frames per second.
        codec: The codec.
        loops: Number of times that an animation plays, 0 for ever; ignored by video containers.
        repeat: Number of times that the frames are written. They are encoded once, and the
            packets are kept in memory until the end: all repetitions are identical.
    """

    def __init__(
        self, path: Path, rate: Fraction, codec: Codec, loops: int = 0, repeat: int = 1
    ) -> None:
        self._path = path
        self._rate = rate
        self._codec = codec
        self._repeat = repeat
        self._options = dict(codec.container_options)
        if codec.loop_option is not None:
            self._options[codec.loop_option] = str(loops)
        if codec.delay_option is not None:
            self._options[codec.delay_option] = str(1 / rate)
        self._num_frames = 0
        self._container: OutputContainer | None = None
        self._encoded: list[tuple[av.Packet, int, int]] = []

    def write(self, pixels: np.ndarray) -> None:
        """Appends a frame, ``[H, W, 3]`` or with alpha ``[H, W, 4]``, uint8."""
        if self._container is None:
            self._open(*pixels.shape)
        frame = av.VideoFrame.from_ndarray(
            pixels, format="rgba" if pixels.shape[-1] == 4 else "rgb24"
        )
        if self._codec.has_colour_tags:
            # Tags alone would shift the colours by up to 26/255.
            frame = frame.reformat(
                format=self._stream.pix_fmt,
                src_color_range=ColorRange.JPEG,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            # The ProRes encoder takes its tags from the frame.
            frame.color_primaries = frame.color_trc = BT709
        else:
            frame = frame.reformat(format=self._stream.pix_fmt)
        frame.pts = self._num_frames
        frame.time_base = 1 / self._rate
        frame.duration = 1
        self._num_frames += 1
        for packet in self._stream.encode(frame):
            self._mux(packet)

    def close(self, is_cancelled: Callable[[], bool]) -> None:
        """Completes the file; stops early if cancelled, which is checked between frames."""
        if self._container is None:
            return
        # Flushes the frames of the encoder's look-ahead, one by one.
        for packet in self._stream.codec_context.encode_lazy(None):
            packet.stream = self._stream
            self._mux(packet)
            if is_cancelled():
                return
        self._write_repetitions()
        self._container.close()

    def abort(self) -> None:
        """Closes an incomplete file, which the caller deletes."""
        if self._container is not None:
            self._container.close()

    def _open(self, height: int, width: int, num_channels: int) -> None:
        # Otherwise SVT-AV1 writes its settings to the error stream.
        os.environ.setdefault("SVT_LOG", "0")
        container = av.open(
            str(self._path), "w", format=self._codec.container, container_options=self._options
        )
        self._container = container
        has_alpha = num_channels == 4
        options = self._codec.options | (self._codec.alpha_options if has_alpha else {})
        stream = container.add_stream(self._codec.name, rate=self._rate, options=options)
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        stream.height, stream.width = height, width
        stream.pix_fmt = self._codec.alpha_pixel_format if has_alpha else self._codec.pixel_format
        stream.time_base = 1 / self._rate
        if has_alpha and self._codec.container == "webm":
            stream.metadata["alpha_mode"] = "1"
        if self._codec.has_colour_tags:
            context = stream.codec_context
            context.color_range = ColorRange.MPEG
            context.colorspace = context.color_primaries = context.color_trc = BT709

    def _mux(self, packet: av.Packet) -> None:
        assert self._container is not None
        if self._repeat > 1:
            assert packet.pts is not None
            assert packet.dts is not None
            self._encoded.append((packet, packet.pts, packet.dts))
        self._container.mux(packet)

    def _write_repetitions(self) -> None:
        assert self._container is not None
        for repetition in range(1, self._repeat):
            start = repetition * self._num_frames
            for packet, shown, decoded in self._encoded:
                # Muxing has converted the time stamps to the container's time base.
                packet.time_base = 1 / self._rate
                packet.pts, packet.dts, packet.duration = shown + start, decoded + start, 1
                self._container.mux(packet)


class FolderEncoder:
    """Writes ``frame_00000.png`` and so on into a folder.

    Args:
        path: An existing folder.
        repeat: Number of times that the frames are written.
    """

    def __init__(self, path: Path, repeat: int = 1) -> None:
        self._path = path
        self._repeat = repeat
        self._num_frames = 0

    def write(self, pixels: np.ndarray) -> None:
        """Appends a frame, ``[H, W, 3]`` or with alpha ``[H, W, 4]``, uint8."""
        file = self._file(self._num_frames)
        # Level 1 takes a third of the time of the default, for files a tenth larger.
        Image.fromarray(pixels).save(file, compress_level=1)
        self._num_frames += 1

    def close(self, is_cancelled: Callable[[], bool]) -> None:
        """Copies the frames for the repetitions, unless cancelled."""
        for frame in range(self._num_frames, self._num_frames * self._repeat):
            if is_cancelled():
                return
            shutil.copyfile(self._file(frame % self._num_frames), self._file(frame))

    def abort(self) -> None:
        """Does nothing: no file is open."""

    def _file(self, frame: int) -> Path:
        return self._path / f"frame_{frame:05d}.png"
