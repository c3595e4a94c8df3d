"""Settings of the video: size, aspect, alpha and poster."""

import itertools
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from stylecinegan import io
from stylecinegan.camera import check_camera
from stylecinegan.cinemagraph import Cinemagraph
from stylecinegan.errors import InputError
from stylecinegan.framing import (
    PRESETS,
    Crop,
    choose_crop,
    covering_size,
    inner_size,
    parse_aspect,
)
from stylecinegan.inputs import check_number, resize_photo
from stylecinegan.io.paths import output_path
from stylecinegan.io.video_writing import ALPHA_SUFFIXES
from stylecinegan.transparency import add_alpha, lay_on_white

logger = logging.getLogger(__name__)

LONGEST_SIDE = 4096
"""Largest side of a video by default, in pixels; most hardware decodes H.264 up to it."""


def check_video_settings(cfg: DictConfig, videos: Iterable[Path]) -> None:
    """Checks the settings of the video.

    Args:
        cfg: The settings of ``generate``.
        videos: The files to write.

    Raises:
        InputError: If a setting is invalid, two contradict, or a format does not support one.
    """
    check_number("repeat", cfg.repeat, least=1, is_whole=True)
    check_camera(cfg.camera, cfg.camera_amount)
    if cfg.depth is not None and cfg.camera == "none":
        raise InputError("depth needs a camera move: set camera=push or camera=slide")
    if cfg.max_mb is not None:
        check_number("max_mb", cfg.max_mb, least=0)
    if isinstance(cfg.size, str):
        if cfg.size not in PRESETS:
            wanted = ", ".join(PRESETS)
            raise InputError(f"size must be a number, [height,width], {wanted}, got {cfg.size}")
        if cfg.aspect is not None:
            raise InputError(f"size={cfg.size} has an aspect: leave aspect={cfg.aspect} out")
    if cfg.aspect is not None:
        parse_aspect(str(cfg.aspect))
    for video in videos:
        io.check_video_options(
            video, repeat=cfg.repeat, max_bytes=_max_bytes(cfg), has_alpha=cfg.alpha
        )


def size_photo(photo: Tensor, cfg: DictConfig) -> Tensor:
    """Resizes a photo to the size of the settings, or to cover a preset.

    By default it keeps its size, up to :data:`LONGEST_SIDE`.
    """
    size, own = cfg.size, (photo.shape[2], photo.shape[3])
    if isinstance(size, str):
        size = covering_size(own, PRESETS[size])
    elif size is None and max(own) > LONGEST_SIDE:
        size = LONGEST_SIDE
    return resize_photo(photo, size)


def log_reduction(original_size: tuple[int, int], photo: Tensor, cfg: DictConfig) -> None:
    """Logs that the video is smaller than its photo, if the user did not ask for that.

    Args:
        original_size: (height, width) of the photo before resizing.
        photo: The resized photo, ``[1, 3, H, W]``.
        cfg: The settings of ``generate``.
    """
    height, width = photo.shape[2:]
    if cfg.size is None and (height, width) != original_size:
        logger.info(
            "the photo has %dx%d pixels and the video %dx%d, which players can show; size=%d "
            "keeps them all",
            *(original_size[1], original_size[0], width, height, max(original_size)),
        )


def aim_camera(cinemagraph: Cinemagraph, cfg: DictConfig) -> Cinemagraph:
    """Moves the focus of a push into the crop of the video.

    Args:
        cinemagraph: The cinemagraph; unchanged without a camera move or a crop.
        cfg: The settings of ``generate``.
    """
    camera, crop = cinemagraph.camera, _crop(cinemagraph, cfg)
    if camera is None or crop is None:
        return cinemagraph
    height, width = cinemagraph.photo.shape[2:]
    x = (crop.left + crop.width / 2) / width
    # The row nearest to the horizon within the crop's inner half.
    quarter = crop.height / 4
    row = min(max(camera.focus[1] * height, crop.top + quarter), crop.top + 3 * quarter)
    return replace(cinemagraph, camera=replace(camera, focus=(x, row / height)))


def write_video(
    video: Path,
    cinemagraph: Cinemagraph,
    frames: Iterable[Tensor],
    cfg: DictConfig,
    opacity: Tensor | None = None,
) -> None:
    """Writes the video and its poster, cropped or with alpha by the settings.

    Args:
        video: File or folder of frames.
        cinemagraph: The cinemagraph of the frames.
        frames: ``[1, 3, H, W]`` in [-1, 1].
        cfg: The settings of ``generate``.
        opacity: Alpha channel of the photo, ``[1, 1, H, W]`` in [0, 1], if it has one; composited
            over white if the format has no alpha.
    """
    crop = _crop(cinemagraph, cfg)
    if cfg.alpha:
        frames = moving_layers(cinemagraph, frames)
    elif opacity is not None:
        frames = _show_opacity(video, frames, _reprojected(cinemagraph, opacity))
    if crop is not None:
        frames = (crop.of(frame) for frame in frames)
    io.write_video(video, frames, fps=cfg.fps, repeat=cfg.repeat, max_bytes=_max_bytes(cfg))
    if cfg.poster:
        first = next(iter(cinemagraph.frames))
        if opacity is not None:
            first = next(lay_on_white([first], _reprojected(cinemagraph, opacity)))
        base = video.with_suffix("")
        io.write_image(f"{base}_poster.jpg", first if crop is None else crop.of(first))


def _reprojected(cinemagraph: Cinemagraph, part: Tensor) -> Iterator[Tensor]:
    """Yields a map of the photo, ``[1, 1, H, W]`` in [0, 1], reprojected to each frame."""
    for frame in itertools.count():
        yield cinemagraph.reproject(part, frame).clamp(min=0.0)


def _show_opacity(
    video: Path, frames: Iterable[Tensor], opacities: Iterator[Tensor]
) -> Iterator[Tensor]:
    """Adds the opacities as alpha, or composites the frames over white."""
    suffix = output_path(video)[1]
    if suffix in ALPHA_SUFFIXES:
        return add_alpha(frames, opacities)
    logger.info(
        "the photo is partly transparent, which %s does not support: white is shown instead; "
        "video=%s.webm keeps the transparency",
        suffix,
        video.stem,
    )
    return lay_on_white(frames, opacities)


def moving_layers(cinemagraph: Cinemagraph, frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """Converts frames to layers over the photo: moving content with the mask as alpha.

    A layer's colours are I + (frame - I) / S, so that the layer over the photo is the frame; photo
    and mask are reprojected to the frame's camera.

    Args:
        cinemagraph: The cinemagraph of the frames.
        frames: ``[1, 3, H, W]`` in [-1, 1].

    Yields:
        ``[1, 4, H, W]`` in [-1, 1]; colours are those of the photo where nothing moves.
    """
    masks = _reprojected(cinemagraph, cinemagraph.mask)
    for number, (frame, mask) in enumerate(zip(frames, masks, strict=False)):
        photo = cinemagraph.reproject(cinemagraph.photo, number)
        # Alpha has 8 bits: less than 1/255 is invisible.
        layer = photo + (frame - photo) / mask.clamp(min=1 / 255)
        yield torch.cat([layer.clamp(-1.0, 1.0), mask * 2.0 - 1.0], dim=1)


def _crop(cinemagraph: Cinemagraph, cfg: DictConfig) -> Crop | None:
    """The crop of a preset or an aspect with the most motion; ``None`` without either."""
    size = (cinemagraph.photo.shape[2], cinemagraph.photo.shape[3])
    if isinstance(cfg.size, str):
        inner = PRESETS[cfg.size]
    elif cfg.aspect is not None:
        inner = inner_size(size, parse_aspect(str(cfg.aspect)))
    else:
        return None
    return choose_crop(cinemagraph.motion.norm(dim=1, keepdim=True), inner)


def _max_bytes(cfg: DictConfig) -> int | None:
    return None if cfg.max_mb is None else int(cfg.max_mb * 1e6)
