"""Turns photos into looping videos: stylecinegan generate photo=lake.jpg"""  # noqa: D415

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from stylecinegan import Cinemagraph, StyleCineGAN, io
from stylecinegan.app.session_file import unpack
from stylecinegan.appearance import StyleTarget, read_style
from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.cli.failures import Failures
from stylecinegan.cli.intermediate_results import write_descriptors, write_intermediate
from stylecinegan.cli.scene_settings import animate_scene, make_scene
from stylecinegan.cli.shares import Share, choose_share, is_of_torchrun, local_number
from stylecinegan.cli.style_settings import check_style_settings, make_target
from stylecinegan.cli.video_names import is_many, name_videos
from stylecinegan.cli.video_settings import (
    aim_camera,
    check_video_settings,
    log_reduction,
    size_photo,
    write_video,
)
from stylecinegan.errors import InputError
from stylecinegan.inputs import (
    check_number,
    choose_device,
    choose_precision,
)
from stylecinegan.mask.matting import moving_threshold
from stylecinegan.metrics.loop_quality import LoopQuality
from stylecinegan.transparency import resize_transparent, split_opacity

logger = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="generate")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Reads photos or samples landscapes, animates them and writes the videos."""
    check_settings(cfg)
    videos = choose_videos(cfg, name_videos(cfg))
    if not videos:
        return
    io.check_writable(next(iter(videos.values())))
    check_video_settings(cfg, videos.values())
    device = choose_device(cfg.device, local_number(os.environ))
    precision = choose_precision(cfg.precision, device)
    # Before the model is loaded, so that an unreadable photo is reported at once.
    photo = None
    if cfg.photo is not None and not is_many(cfg):
        photo = io.read_image(cfg.photo, keep_alpha=True)
    style = None if cfg.style is None else read_style(str(cfg.style))
    with step("load the model"):
        model: StyleCineGAN = instantiate(cfg.model, precision=precision).to(device)
    target = None
    if style is not None:
        with step("find the latent codes of the style"):
            target = make_target(cfg, style, model)
    if is_many(cfg):
        write_many(cfg, model, target, videos)
        return
    ((source, video),) = videos.items()
    image = read_source(cfg, model, source) if photo is None else photo
    write_cinemagraph(cfg, model, image, target, video)


def choose_videos(cfg: DictConfig, videos: dict[int | Path, Path]) -> dict[int | Path, Path]:
    """Chooses the videos of this process, without existing ones if they are to be skipped.

    Args:
        cfg: The settings.
        videos: All videos, by photo or seed.

    Raises:
        InputError: If the setting ``share`` is invalid.
    """
    share = choose_share(str(cfg.share), os.environ)
    if not is_many(cfg):
        # torchrun gives all processes the same photo, whereas Slurm's tasks may have one each.
        if is_of_torchrun(os.environ) and share.index:
            logger.info("there is one photo, which process 0 animates")
            return {}
        share = Share()
    chosen = {source: videos[source] for source in share.of(list(videos))}
    num_mine = len(chosen)
    if cfg.skip_existing:
        folders = {video.parent for video in chosen.values()}
        existing = {path for folder in folders if folder.is_dir() for path in folder.iterdir()}
        chosen = {source: video for source, video in chosen.items() if video not in existing}
        if not chosen:
            logger.info("all videos exist already")
    if share.count > 1:
        logger.info(
            "share %d/%d: %d of %d videos, %d of which exist already",
            *(share.index, share.count, num_mine, len(videos), num_mine - len(chosen)),
        )
    return chosen


def write_many(
    cfg: DictConfig,
    model: StyleCineGAN,
    target: StyleTarget | None,
    videos: dict[int | Path, Path],
) -> None:
    """Animates many pictures; failures are listed in a file and do not stop the others.

    Args:
        cfg: The settings.
        model: The model.
        target: Style of the videos, if there is one.
        videos: Videos by photo or seed.

    Raises:
        InputError: If a photo failed, or all samples did.
    """
    failures = Failures(next(iter(videos.values())).parent)
    failures.forget({str(source) for source in videos})
    errors = []
    # A terminal shows one bar, the log of a batch system a line for each video.
    bar = tqdm(videos.items(), unit="video", disable=None)
    with logging_redirect_tqdm():
        for source, video in bar:
            if cfg.skip_existing and video.exists():  # another process was faster
                continue
            try:
                write_cinemagraph(cfg, model, read_source(cfg, model, source), target, video)
            except InputError as error:
                logger.warning("no %s: %s", video, error)
                failures.add(str(source), video, error)
                errors.append(error)
                continue
            if bar.disable:
                logger.info("the video is in %s", video)
    if not errors or (cfg.photo is None and len(errors) < len(videos)):
        return
    if len(videos) == 1:
        raise errors[0]
    message = f"{len(errors)} of {len(videos)} failed, listed in {failures.path}"
    if not is_of_torchrun(os.environ):
        raise InputError(message)
    logger.warning(message)  # with another status torchrun would end the other processes


def read_source(cfg: DictConfig, model: StyleCineGAN, source: int | Path) -> Tensor:
    """Reads a photo, or samples the landscape of a seed."""
    if isinstance(source, Path):
        return io.read_image(source, keep_alpha=True)
    return model.sample(source, truncation=cfg.truncation)


def write_cinemagraph(
    cfg: DictConfig, model: StyleCineGAN, image: Tensor, target: StyleTarget | None, video: Path
) -> None:
    """Animates one picture and writes the video.

    Args:
        cfg: The settings.
        model: The model.
        image: ``[1, 3, H, W]`` in [-1, 1], or ``[1, 4, H, W]`` with an alpha channel.
        target: Style of the video, if there is one.
        video: File or folder to write.

    Raises:
        InputError: If a setting does not fit the picture, or memory is insufficient.
    """
    is_single = not is_many(cfg)
    with reporting_memory(image):
        with step("predict mask and motion, prepare the loop", is_logged=is_single):
            cinemagraph, opacity = make_cinemagraph(cfg, model, image, target)
        quality = LoopQuality(cinemagraph.mask) if cfg.save_intermediate else None
        with step("render and encode the frames", is_logged=is_single):
            frames = progress(cinemagraph, quality, is_shown=is_single)
            write_video(video, cinemagraph, frames, cfg, opacity)
        if quality is not None:
            write_intermediate(video, cinemagraph, quality)
            write_descriptors(video, model, cinemagraph, target)
    if is_single:
        logger.info("the video is in %s", video)


def make_cinemagraph(
    cfg: DictConfig, model: StyleCineGAN, image: Tensor, target: StyleTarget | None
) -> tuple[Cinemagraph, Tensor | None]:
    """Makes the cinemagraph of a picture, resized by the settings.

    Args:
        cfg: As for :func:`write_cinemagraph`.
        model: As there.
        image: As there.
        target: As there.

    Returns:
        The cinemagraph, and the opacity of its photo, ``[1, 1, H, W]`` in [0, 1], if it has one.
    """
    image = image.to(next(model.parameters()).device)
    original, opacity = split_opacity(image)
    if opacity is None:
        photo = size_photo(original, cfg)
    else:
        photo, opacity = resize_transparent(original, opacity, lambda part: size_photo(part, cfg))
    if not is_many(cfg):
        log_reduction((image.shape[2], image.shape[3]), photo, cfg)
    scene = make_scene(cfg, model, photo, original, opacity)
    return aim_camera(animate_scene(cfg, model, scene, target), cfg), opacity


@contextmanager
def reporting_memory(image: Tensor) -> Iterator[None]:
    """Turns a lack of memory into an error of the user.

    Raises:
        InputError: If the memory does not suffice, with the size of ``image``.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        height, width = image.shape[2:]
        raise InputError(
            f"not enough memory for {width}x{height}, size=1024 makes the picture smaller"
        ) from error


def check_settings(cfg: DictConfig) -> None:
    """Checks the settings before any computation.

    Raises:
        InputError: If a setting is missing or out of its range.
    """
    sources = [key for key in ("photo", "seed", "seeds") if cfg[key] is not None]
    if len(sources) != 1:
        raise InputError(
            "photo=FILE (or seed=NUMBER for a sampled landscape, seeds=0-63 for many) is needed, "
            f"got {' and '.join(sources) or 'none'}"
        )
    if cfg.seed is not None:
        check_number("seed", cfg.seed, least=0, is_whole=True)
    check_number("num_frames", cfg.num_frames, least=2, is_whole=True)
    check_number("fps", cfg.fps, least=1)
    if cfg.speed is not None:
        check_number("speed", cfg.speed, least=0)
    moving_threshold(cfg.mask_caution)  # checks its range
    check_number("speed_sky", cfg.speed_sky, least=0)
    check_number("speed_water", cfg.speed_water, least=0)
    check_number("anchor_radius", cfg.anchor_radius, least=0)
    check_number("inversion.steps", cfg.inversion.steps, least=0, is_whole=True)
    check_style_settings(cfg)
    if cfg.mask_small not in ("keep", "everything"):
        raise InputError(f"mask_small must be keep or everything, got {cfg.mask_small}")


def progress(
    cinemagraph: Cinemagraph, quality: LoopQuality | None, *, is_shown: bool
) -> Iterator[Tensor]:
    """Yields the frames of a cinemagraph with a progress bar.

    Args:
        cinemagraph: The cinemagraph.
        quality: Measures the frames before the camera's move, if given.
        is_shown: Whether to show the bar.
    """
    frames = cinemagraph.steady_frames
    bar = tqdm(frames, total=cinemagraph.num_frames, unit="frame", disable=not is_shown)
    with logging_redirect_tqdm():  # messages get lines of their own
        for number, frame in enumerate(bar):
            if quality is not None:
                quality.add(frame)
            yield cinemagraph.reproject(frame, number)


@contextmanager
def step(name: str, *, is_logged: bool = True) -> Iterator[None]:
    """Logs the name and the duration of a step."""
    start = time.perf_counter()
    yield
    if is_logged:
        logger.info("%s: %.1f s", name, time.perf_counter() - start)


def run() -> None:
    """Runs the command with the arguments of the process."""
    given = [argument for argument in sys.argv[1:] if argument.startswith("session=")]
    if not given:
        command_line.run(main, "generate", needs_hydra=False)
        return
    with tempfile.TemporaryDirectory(prefix="stylecinegan-session-") as folder:
        try:
            settings = unpack(given[-1].removeprefix("session="), Path(folder))
        except InputError as error:
            sys.exit(f"error: {error}")
        own = [f"{key}={value}" for key, value in settings.items()]
        sys.argv[1:] = [*own, *(word for word in sys.argv[1:] if word not in given)]
        command_line.run(main, "generate", needs_hydra=False)
