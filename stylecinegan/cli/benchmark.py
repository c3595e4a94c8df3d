"""Measures speed and memory: stylecinegan benchmark suite=splat"""  # noqa: D415

import logging
import math
from pathlib import Path

import hydra
import torch
from hydra import compose
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from stylecinegan import StyleCineGAN
from stylecinegan.benchmarks.app_load import LoadTest
from stylecinegan.benchmarks.app_table import measure_app
from stylecinegan.benchmarks.drawn_scene import draw_scene
from stylecinegan.benchmarks.generate_command import (
    Job,
    growth_curves,
    measure_commands,
    write_growth,
)
from stylecinegan.benchmarks.machine import describe_machine
from stylecinegan.benchmarks.measurement import (
    Candidate,
    Measurement,
    measure,
    timings,
    to_rows,
)
from stylecinegan.benchmarks.operators import euler_candidates, splat_candidates
from stylecinegan.benchmarks.process_counts import measure_processes
from stylecinegan.benchmarks.rendering import render_candidates
from stylecinegan.benchmarks.training import train_candidates
from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.cli.sweeps import job_path
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.evaluation.report import Row, Table, write_table
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, layer_resolution
from stylecinegan.inputs import check_number, choose_device
from stylecinegan.inversion import FeatureStyleEncoder

logger = logging.getLogger(__name__)

UNITS = {
    "splat": "map",
    "euler": "frame",
    "render": "frame",
    "generate": "run",
    "photos": "photo",
    "train": "picture",
}
"""Unit of the times, by suite of implementations."""

SUITES = (*UNITS, "app")


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="benchmark")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Measures a suite, writes its table and logs it."""
    check_settings(cfg)
    device = choose_device(cfg.device)
    if cfg.threads is not None:
        torch.set_num_threads(cfg.threads)
    torch.manual_seed(0)
    machine = describe_machine(device)
    output_dir = job_path(cfg.output_dir)
    title = f"{cfg.suite}: " + ", ".join(f"{name} {value}" for name, value in machine.items())
    context = {
        "machine": machine,
        "settings": OmegaConf.to_container(cfg, resolve=True),
        "commit": command_line.commit(),
    }
    if cfg.suite == "app":
        table = Table(title, app(cfg))
    else:
        measured = measure_suite(cfg, device, output_dir)
        table = Table(title, to_rows(measured, UNITS[cfg.suite]), details=timings(measured))
    text = write_table(table, output_dir, context)
    logger.info("%s\nThe table and its JSON lines are in %s", text, output_dir)


def measure_suite(cfg: DictConfig, device: torch.device, output_dir: Path) -> list[Measurement]:
    """Measures the implementations of any suite but that of the app."""
    if cfg.suite == "generate":
        return generate(cfg, device, output_dir)
    if cfg.suite == "photos":
        return photos(cfg, device)
    suites = {"splat": splat, "euler": euler, "render": render, "train": train}
    candidates = suites[cfg.suite](cfg, device)
    return measure(candidates, device, repeats=cfg.repeats, budget_s=cfg.budget_s)


def check_settings(cfg: DictConfig) -> None:
    """Checks the settings.

    Raises:
        InputError: If one is invalid.
    """
    if cfg.suite not in SUITES:
        raise InputError(f"suite must be one of {', '.join(SUITES)}, got {cfg.suite}")
    check_number("size", cfg.size, least=32, is_whole=True)
    check_number("num_frames", cfg.num_frames, least=2, is_whole=True)
    check_number("repeats", cfg.repeats, least=1, is_whole=True)
    check_number("budget_s", cfg.budget_s, least=0)
    if cfg.threads is not None:
        check_number("threads", cfg.threads, least=1, is_whole=True)
    check_number("splat.channels", cfg.splat.channels, least=1, is_whole=True)
    check_number("splat.copy_mb", cfg.splat.copy_mb, least=1, is_whole=True)
    for name in ("number", "num_frames", "size"):
        check_number(f"photos.{name}", cfg.photos[name], least=2, is_whole=True)
    for num_processes in cfg.photos.processes:
        check_number("photos.processes", num_processes, least=1, is_whole=True)
    if cfg.suite == "render" and cfg.size % 32:
        raise InputError(f"size must be divisible by 32 for suite=render, got {cfg.size}")


def splat(cfg: DictConfig, device: torch.device) -> list[Candidate]:
    """Implementations of joint splatting, at mid-loop, where both displacements are large."""
    image, _, motion = draw_scene(cfg.size, device)
    displacement = motion * (cfg.num_frames / 2)
    num_repeats = math.ceil(cfg.splat.channels / 3)
    feature = image.repeat(1, num_repeats, 1, 1)[:, : cfg.splat.channels]
    copy_bytes = cfg.splat.copy_mb * 10**6
    return splat_candidates(
        feature.contiguous(), displacement, -displacement, copy_bytes=copy_bytes
    )


def euler(cfg: DictConfig, device: torch.device) -> list[Candidate]:
    """Implementations of the integration of a loop's displacements."""
    _, _, motion = draw_scene(cfg.size, device)
    return euler_candidates(motion, cfg.num_frames)


def render(cfg: DictConfig, device: torch.device) -> list[Candidate]:
    """Implementations of the rendering, with random weights: trained ones take the same time."""
    generator = instantiate(cfg.render.generator)
    # No photo is inverted here: a minimal encoder completes the model.
    encoder = FeatureStyleEncoder(
        generator.num_styles,
        generator.style_dim,
        generator.channels[layer_resolution(FEATURE_LAYER)],
        widths=(4,) * 5,
        depths=(1,) * 4,
        content_width=4,
        pool=1,
    )
    model = StyleCineGAN(generator, encoder).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    model.eval().requires_grad_(False)
    return render_candidates(model, *draw_scene(cfg.size, device), cfg.num_frames)


def train(cfg: DictConfig, device: torch.device) -> list[Candidate]:
    """Optimisation steps of an experiment on one batch, by compute dtype."""
    overrides = [f"experiment={cfg.train.experiment}", "data.dir=none"]
    experiment = compose("train", overrides)
    crop = cfg.train.crop or experiment.data.crop
    batch_size = cfg.train.batch_size or experiment.batch_size
    images = draw_landscape(crop, crop).image.to(device).repeat(batch_size, 1, 1, 1)
    tasks = {}
    for precision in cfg.train.precisions:
        task = instantiate(compose("train", [*overrides, f"precision={precision}"]).task)
        task.to(device)
        tasks[precision] = task
    return train_candidates(tasks, images)


def generate(cfg: DictConfig, device: torch.device, output_dir: Path) -> list[Measurement]:
    """Whole commands over sizes and numbers of frames; plots the growth of their time."""
    baseline = Job(cfg.size, cfg.num_frames)
    sides, lengths = cfg.generate.sizes, cfg.generate.frame_counts
    measured = measure_commands(
        Path(cfg.generate.photo),
        baseline,
        device,
        sides=sides,
        lengths=lengths,
        arguments=[*model_arguments(cfg), *cfg.generate.arguments],
        repeats=cfg.repeats,
        budget_s=cfg.budget_s,
    )
    write_growth(growth_curves(measured, baseline, sides, lengths), output_dir / "growth.png")
    return measured


def photos(cfg: DictConfig, device: torch.device) -> list[Measurement]:
    """Folders of photos, animated by different numbers of processes."""
    settings = cfg.photos
    frames = f"num_frames={settings.num_frames}"
    return measure_processes(
        list(settings.processes),
        device,
        num_photos=settings.number,
        side=settings.size,
        arguments=[frames, *model_arguments(cfg), *settings.arguments],
        repeats=cfg.repeats,
        budget_s=cfg.budget_s,
    )


def app(cfg: DictConfig) -> list[Row]:
    """Latencies of the browser app and its load by many users."""
    settings = cfg.app
    arguments = model_arguments(cfg)
    if cfg.threads is not None:
        arguments.append(f"threads={cfg.threads}")
    height, width = settings.photo
    test = LoadTest(settings.sessions, settings.every_s, settings.load_s)
    return measure_app(
        arguments, (height, width), test, repeats=cfg.repeats, idle_s=settings.idle_s
    )


def model_arguments(cfg: DictConfig) -> list[str]:
    """Settings of device and model for a command that runs in another folder."""
    arguments = [f"device={cfg.device}"]
    if cfg.model.directory is not None:
        arguments.append(f"model.directory={Path(cfg.model.directory).resolve()}")
    return arguments


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "benchmark")
