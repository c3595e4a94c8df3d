"""Measures speed and memory: stylecinegan benchmark suite=splat"""  # noqa: D415

import logging
import math
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median

import hydra
import torch
from hydra import compose
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from stylecinegan import StyleCineGAN, io
from stylecinegan.benchmarks import app
from stylecinegan.benchmarks.chromium import find_program
from stylecinegan.benchmarks.growth import Growth, plot_growth
from stylecinegan.benchmarks.machine import describe_machine
from stylecinegan.benchmarks.measurement import (
    Candidate,
    Measurement,
    measure,
    to_rows,
)
from stylecinegan.benchmarks.memory import Command
from stylecinegan.benchmarks.operators import euler_candidates, splat_candidates
from stylecinegan.benchmarks.rendering import render_candidates
from stylecinegan.benchmarks.training import train_candidates
from stylecinegan.benchmarks.visitor import Visitor
from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.cli.sweeps import job_path
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.evaluation.report import Table, write_table
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, layer_resolution
from stylecinegan.inputs import check_number, choose_device, resize_photo
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.motion.controls.controls import directed_motion, normalize_speed
from stylecinegan.ops import extension

logger = logging.getLogger(__name__)

UNITS = {
    "splat": "map",
    "euler": "frame",
    "render": "frame",
    "generate": "run",
    "photos": "photo",
    "train": "picture",
    "app": "wait",
}
"""Unit of the times, by suite."""


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
        table = Table(title, measure_app(cfg))
    else:
        measured = measure_suite(cfg, device, output_dir)
        table = Table(title, to_rows(measured, UNITS[cfg.suite]), details=timings(measured))
    text = write_table(table, output_dir, context)
    logger.info("%s\nThe table and its JSON lines are in %s", text, output_dir)


def measure_suite(cfg: DictConfig, device: torch.device, output_dir: Path) -> list[Measurement]:
    """Measures the implementations of any suite but that of the app."""
    if cfg.suite == "generate":
        return measure_commands(cfg, device, output_dir)
    if cfg.suite == "photos":
        return measure_processes(cfg, device)
    suites = {"splat": splat, "euler": euler, "render": render, "train": train}
    candidates = suites[cfg.suite](cfg, device)
    return measure(candidates, device, repeats=cfg.repeats, budget_s=cfg.budget_s)


def check_settings(cfg: DictConfig) -> None:
    """Checks the settings.

    Raises:
        InputError: If one is invalid.
    """
    if cfg.suite not in UNITS:
        raise InputError(f"suite must be one of {', '.join(UNITS)}, got {cfg.suite}")
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


def draw_scene(cfg: DictConfig, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Draws a photo, its mask and its motion in pixels per frame, of ``cfg.size`` pixels a side."""
    drawn = draw_landscape(cfg.size, cfg.size)
    mask = drawn.mask.to(device)
    motion = normalize_speed(directed_motion("right", mask) * mask, 1.0)
    return drawn.image.to(device), mask, motion


def splat(cfg: DictConfig, device: torch.device) -> list[Candidate]:
    """Joint splatting at the middle of the loop, where both displacements are large."""
    image, _, motion = draw_scene(cfg, device)
    displacement = motion * (cfg.num_frames / 2)
    feature = image.repeat(1, -(-cfg.splat.channels // 3), 1, 1)[:, : cfg.splat.channels]
    copy_bytes = cfg.splat.copy_mb * 10**6
    return splat_candidates(
        feature.contiguous(), displacement, -displacement, copy_bytes=copy_bytes
    )


def euler(cfg: DictConfig, device: torch.device) -> list[Candidate]:
    """Integration of the displacements of a loop."""
    return euler_candidates(draw_scene(cfg, device)[2], cfg.num_frames)


def render(cfg: DictConfig, device: torch.device) -> list[Candidate]:
    """Frames of a generator with random weights; a trained one takes the same time."""
    generator = instantiate(cfg.render.generator)
    channels = generator.channels[layer_resolution(FEATURE_LAYER)]
    narrow = ((4,) * 5, (1,) * 4, 4, 1)
    # No photo is inverted here: the smallest encoder completes the model.
    encoder = FeatureStyleEncoder(generator.num_styles, generator.style_dim, channels, *narrow)
    model = StyleCineGAN(generator, encoder).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    model.eval().requires_grad_(False)
    return render_candidates(model, *draw_scene(cfg, device), cfg.num_frames)


def train(cfg: DictConfig, device: torch.device) -> list[Candidate]:
    """Optimisation steps of an experiment on one batch."""
    tasks, images = {}, None
    for precision in cfg.train.precisions:
        experiment = compose(
            "train",
            [f"experiment={cfg.train.experiment}", "data.dir=none", f"precision={precision}"],
        )
        crop = cfg.train.crop or experiment.data.crop
        batch_size = cfg.train.batch_size or experiment.batch_size
        if images is None:
            image = draw_landscape(crop, crop).image.to(device)
            images = image.repeat(batch_size, 1, 1, 1)
        task = instantiate(experiment.task)
        task.to(device)
        tasks[precision] = task
    assert images is not None
    return train_candidates(tasks, images)


def measure_commands(cfg: DictConfig, device: torch.device, output_dir: Path) -> list[Measurement]:
    """Times whole commands over sizes and numbers of frames, and plots and fits their growth."""
    extension.is_available(device.type)  # compiled before any timing
    sizes = {(size, cfg.num_frames) for size in cfg.generate.sizes}
    lengths = {(cfg.size, num_frames) for num_frames in cfg.generate.frame_counts}
    jobs = sorted(sizes | lengths, key=lambda job: (job != (cfg.size, cfg.num_frames), job))
    photo = io.read_image(cfg.generate.photo)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for size in {size for size, _ in jobs}:
            io.write_image(folder / f"{size}.jpg", resize_photo(photo, (size, size)))
        candidates = [generate_candidate(cfg, job, folder) for job in jobs]
        measured = measure(candidates, device, repeats=cfg.repeats, budget_s=cfg.budget_s)
    seconds = {job: measurement.median for job, measurement in zip(jobs, measured, strict=True)}
    curves = {
        name: ([x for _, x in sorted(points)], [seconds[job] for job, _ in sorted(points)])
        for name, points in {
            "megapixels": [(job, job[0] ** 2 / 1e6) for job in sizes],
            "frames": [(job, job[1]) for job in lengths],
        }.items()
        if len(points) > 1
    }
    for name, (x, times) in curves.items():
        figures = {key: round(value, 4) for key, value in asdict(Growth.fit(x, times)).items()}
        logger.info("growth with %s: %s", name, figures)
    if curves:
        io.write_image(output_dir / "growth.png", plot_growth(curves))
    return measured


def measure_app(cfg: DictConfig) -> list[dict[str, str | float]]:
    """Measures latencies of the browser app in Chromium, and its load under many users.

    Returns:
        Rows of the table, with the wanted value where there is one.

    Raises:
        InputError: If no Chromium is installed.
    """
    if find_program() is None:
        raise InputError("suite=app needs a browser: install Chromium")
    settings = cfg.app
    arguments = model_arguments(cfg)
    if cfg.threads is not None:
        arguments.append(f"threads={cfg.threads}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        height, width = settings.photo
        io.write_image(folder / "photo.jpg", draw_landscape(height, width).image)
        io.write_image(folder / "small.jpg", draw_landscape(480, 640, 1).image)
        with app.AppServer(arguments, folder / "log") as server:
            with Visitor(folder, server.address) as visitor:
                visitor.visit()
                latencies = app.measure_latencies(visitor, folder / "photo.jpg", cfg.repeats)
                idle = app.measure_idle(server, settings.idle_s)
            load = app.put_under_load(
                server,
                (folder / "small.jpg").read_bytes(),
                settings.sessions,
                settings.every_s,
                settings.load_s,
            )
    for error in dict.fromkeys(load.errors):
        logger.warning("under load: %s", error)
    return latency_rows(latencies, height * width) + load_rows(load, idle, cfg)


def latency_rows(latencies: app.Seconds, num_pixels: int) -> list[dict[str, str | float]]:
    """Rows of the median latencies, with the wanted ones."""
    names = {
        "mask": (f"upload of {num_pixels / 1e6:.0f} megapixels to the mask", 2.5),
        "loop": ("upload to the first loop", 3.5),
        "stroke": ("end of a stroke to the new loop", 1.0),
        "arrow": ("end of an arrow to the new loop", 1.0),
    }
    return [
        {"row": f"{name}, s", "measured": median(latencies[key]), "wanted": wanted}
        for key, (name, wanted) in names.items()
    ]


def load_rows(load: app.Load, idle: float, cfg: DictConfig) -> list[dict[str, str | float]]:
    """Rows of the idle server and of the load test, with the wanted values where there are some."""
    growth = app.memory_growth(load.memory, min(60.0, 0.2 * cfg.app.load_s))
    users = f"{cfg.app.sessions} sessions"
    return [
        {"row": "processor while pages play, % of a core", "measured": 100 * idle, "wanted": 0.0},
        {"row": f"{users}: errors", "measured": float(len(load.errors)), "wanted": 0.0},
        {"row": f"{users}: edits", "measured": float(load.num_edits)},
        {"row": f"{users}: replaced by a newer one", "measured": float(load.num_replaced)},
        {"row": f"{users}: lost edits", "measured": float(load.num_lost), "wanted": 0.0},
        {"row": f"{users}: edit to loop, s", "measured": median(load.seconds or [math.nan])},
        {"row": f"{users}: edits of each before the load", "measured": float(app.FIRST_EDITS)},
        {"row": f"{users}: growth of memory, %", "measured": 100 * (growth - 1), "wanted": 10.0},
        {"row": f"{users}: memory, GB", "measured": load.memory[-1][1] / 1e9},
    ]


def model_arguments(cfg: DictConfig) -> list[str]:
    """Settings of device and model for a command that runs in another folder."""
    arguments = [f"device={cfg.device}"]
    if cfg.model.directory is not None:
        arguments.append(f"model.directory={Path(cfg.model.directory).resolve()}")
    return arguments


def generate_candidate(cfg: DictConfig, job: tuple[int, int], folder: Path) -> Candidate:
    """``stylecinegan generate`` of a photo of a given side and number of frames."""
    size, num_frames = job
    arguments = [
        *(f"photo={size}.jpg", f"video={size}-{num_frames}.mp4", f"num_frames={num_frames}"),
        *(*model_arguments(cfg), *cfg.generate.arguments),
    ]
    command = Command([sys.executable, "-m", "stylecinegan", "generate", *arguments], folder)
    name = f"{size}x{size}, {num_frames} frames"
    is_baseline = job == (cfg.size, cfg.num_frames)
    return Candidate(name, command, peak_bytes=lambda: command.peak_bytes, is_baseline=is_baseline)


def measure_processes(cfg: DictConfig, device: torch.device) -> list[Measurement]:
    """Times a folder of photos, animated by different numbers of processes."""
    extension.is_available(device.type)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(cfg.photos.number):
            image = draw_landscape(cfg.photos.size, cfg.photos.size, seed=number).image
            io.write_image(folder / f"photos/{number:04d}.jpg", image)
        candidates = [processes_candidate(cfg, num, folder) for num in cfg.photos.processes]
        measured = measure(candidates, device, repeats=cfg.repeats, budget_s=cfg.budget_s)
    for measurement in measured:
        per_minute = 60 / measurement.median
        logger.info("%s: %.1f photos a minute", measurement.candidate.name, per_minute)
    return measured


def processes_candidate(cfg: DictConfig, num_processes: int, folder: Path) -> Candidate:
    """``stylecinegan generate`` of a folder by several processes of torchrun."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}", "-m"]
    arguments = [
        *("photo=photos", f"video=videos{num_processes}", f"num_frames={cfg.photos.num_frames}"),
        *(*model_arguments(cfg), *cfg.photos.arguments),
    ]
    command = Command(
        [sys.executable, "-m", *launcher, "stylecinegan", "generate", *arguments], folder
    )
    name = f"{num_processes} process" + ("es" if num_processes > 1 else "")
    # The peak memory of the launcher is not that of its processes.
    return Candidate(
        name,
        command,
        units=cfg.photos.number,
        peak_bytes=lambda: None,
        is_baseline=num_processes == cfg.photos.processes[0],
    )


def timings(measured: list[Measurement]) -> list[dict[str, str | float]]:
    """Single timings, for statistics other than those of the table."""
    return [
        {"row": measurement.candidate.name, "seconds": seconds}
        for measurement in measured
        for seconds in measurement.seconds
    ]


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "benchmark")
