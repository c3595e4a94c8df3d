"""Sources of motion: videos, Sky Time-lapse or Eulerian data, recognised by their folders."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import av
import torch.nn.functional as F
from torch import Tensor

from stylecinegan import io
from stylecinegan.data.eulerian import EulerianPairs
from stylecinegan.data.motion_pairs import is_finished, write_pair, write_refusal
from stylecinegan.data.sky_timelapse import SkyTimelapse
from stylecinegan.errors import InputError
from stylecinegan.io.video_reading import OPEN_OPTIONS
from stylecinegan.motion.estimation.optical_flow import Camera, ClipMotion, estimate_motion
from stylecinegan.warping.displacement import resize_displacement

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".webm", ".avi", ".mkv", ".m4v", ".gif"})


@dataclass(frozen=True)
class Source:
    """A video, a folder of frames, or a pair with given motion.

    Attributes:
        path: Path of the source, written into its pairs.
        names: Names of its pairs of image and motion.
        motions: Starts an iterator over functions that estimate the motion, one per name.
        windows: Starts an iterator over the frames, ``[1, 3, H, W]`` in [-1, 1], of each name;
            ``None`` for a pair without its video.
    """

    path: str
    names: Sequence[str]
    motions: Callable[[], Iterator[Callable[[], ClipMotion]]]
    windows: Callable[[], Iterator[Iterable[Tensor]]] | None = None


def find_sources(
    path: str | Path,
    *,
    side: int = 512,
    num_frames: int = 60,
    camera: Camera | Literal["auto"] = "auto",
) -> list[Source]:
    """Finds the sources of motion in a folder.

    Args:
        path: The Eulerian data or a split of it, a folder with videos at any depth, Sky Time-lapse
            or a split of it, or an ``.npz`` with an array ``clips``.
        side: Longer side that pictures and motion are shrunk to, in pixels.
        num_frames: Frames that a motion is averaged over; a longer video gives several pairs.
        camera: See :func:`~stylecinegan.motion.estimation.optical_flow.estimate_motion`;
            ``"auto"`` is ``"checked"`` for videos and ``"static"`` for Sky Time-lapse.

    Raises:
        InputError: If the path holds none of these, or ``camera`` is unknown.
    """
    if camera not in ("auto", "checked", "static"):
        raise InputError(f"camera must be auto, checked or static, got {camera}")
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"wanted a folder of videos or of one of the data sets, found no {path}")
    if path.suffix != ".npz":
        if motions := sorted(path.rglob("*_motion.pth")):
            folders = sorted({file.parent for file in motions})
            return [
                source
                for folder in folders
                for source in _eulerian_sources(folder, side, num_frames)
            ]
        if videos := _find_videos(path):
            checked: Camera = "checked" if camera == "auto" else camera
            return [_video_source(path, file, side, num_frames, checked) for file in videos]
    known: Camera = "static" if camera == "auto" else camera
    return _sky_sources(path, side, num_frames, known)


def prepare(source: Source, dir: str | Path) -> Iterator[tuple[str, str | None]]:
    """Writes the missing pairs of a source.

    Args:
        source: The source to read.
        dir: Folder of the pairs.

    Yields:
        Name of each pair that was processed, and the reason if it was refused, else ``None``.

    Raises:
        InputError: If the folder cannot be written.
    """
    missing = [name for name in source.names if not is_finished(dir, name)]
    for name, motion in _estimate(source, missing):
        if isinstance(motion, InputError):
            write_refusal(dir, name, str(motion))
            yield name, str(motion)
        else:
            write_pair(dir, name, motion, source.path)
            yield name, None


def _estimate(
    source: Source, missing: Sequence[str]
) -> Iterator[tuple[str, ClipMotion | InputError]]:
    """Estimates the motions of the missing names; yields the error of those that fail."""
    left = list(missing)
    try:
        for name, estimate in zip(source.names, source.motions() if left else (), strict=False):
            if name not in left:
                continue
            left.remove(name)
            try:
                motion = estimate()
            except InputError as error:
                yield name, error
            else:
                yield name, motion
    except InputError as error:  # the video is damaged from here on
        for name in left:
            yield name, error


def shrink(frames: Iterable[Tensor], side: int) -> Iterator[Tensor]:
    """Shrinks images whose longer side exceeds ``side``; never enlarges."""
    for frame in frames:
        scale = side / max(frame.shape[2:])
        if scale < 1.0:
            size = [max(1, round(length * scale)) for length in frame.shape[2:]]
            frame = F.interpolate(frame, size, mode="area")
        yield frame


def _shrink_pair(pair: Mapping[str, Tensor], side: int) -> ClipMotion:
    (image,) = shrink([pair["image"][None]], side)
    size = (image.shape[2], image.shape[3])
    confidence = F.interpolate(pair["confidence"][None], size, mode="area")
    return ClipMotion(image, resize_displacement(pair["motion"][None], size), confidence)


def _eulerian_sources(folder: Path, side: int, num_frames: int) -> list[Source]:
    pairs = EulerianPairs(folder)

    def motions(index: int) -> Iterator[Callable[[], ClipMotion]]:
        yield lambda: _shrink_pair(pairs[index], side)

    def windows(index: int) -> Iterator[Iterable[Tensor]]:
        yield shrink(io.read_video(pairs.video(index), num_frames), side)

    return [
        Source(
            str(pairs.video(index)),
            [name],
            partial(motions, index),
            partial(windows, index) if pairs.video(index).exists() else None,
        )
        for index, name in enumerate(pairs.names)
    ]


def _sky_sources(path: Path, side: int, num_frames: int, camera: Camera) -> list[Source]:
    clips = SkyTimelapse(path, num_frames=num_frames)

    def windows(index: int) -> Iterator[Iterable[Tensor]]:
        yield shrink(clips.frames(index), side)

    return [
        _clip_source(path / name, [name.replace("/", "_")], partial(windows, index), camera)
        for index, name in enumerate(clips.names)
    ]


def _clip_source(
    path: Path,
    names: Sequence[str],
    windows: Callable[[], Iterator[Iterable[Tensor]]],
    camera: Camera,
) -> Source:
    def motions() -> Iterator[Callable[[], ClipMotion]]:
        for window in windows():
            yield partial(estimate_motion, window, camera=camera)

    return Source(str(path), names, motions, windows)


def _find_videos(dir: Path) -> list[Path]:
    return [
        file
        for file in sorted(dir.rglob("*"))
        if file.suffix.lower() in VIDEO_SUFFIXES and not file.name.startswith(".")
    ]


def _video_source(dir: Path, file: Path, side: int, num_frames: int, camera: Camera) -> Source:
    def windows() -> Iterator[Iterable[Tensor]]:
        frames = shrink(io.read_video(file), side)
        while window := list(islice(frames, num_frames)):
            yield window

    # With the suffix, because a.mov and a.mp4 are two videos.
    stem = "_".join(file.relative_to(dir).parts).replace(".", "_")
    num_windows = max(1, _count_frames(file) // num_frames)
    starts = (window * num_frames for window in range(num_windows))
    return _clip_source(file, [f"{stem}_{start:05d}" for start in starts], windows, camera)


def _count_frames(file: Path) -> int:
    """Counts frames without decoding them; 0 for files that are no video."""
    try:
        with av.open(str(file.absolute()), options=OPEN_OPTIONS) as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except (av.FFmpegError, IndexError):
        return 0
