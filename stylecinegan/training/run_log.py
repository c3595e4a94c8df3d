import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from stylecinegan.errors import TrainingError
from stylecinegan.training import distributed


class RunLog:
    """Progress bar and TensorBoard log of the main process; averages over all processes."""

    def __init__(self, run_dir: Path, step: int, num_steps: int) -> None:
        self._terms: dict[str, list[Tensor]] = {}
        self._num_images = 0
        self._since = self._begin = time.perf_counter()
        self._path = run_dir / "log.jsonl"
        self._samples_dir = run_dir / "samples"
        self._writer = None
        if distributed.is_main():
            # Entries after the resumed step are of steps that are taken again.
            self._writer = SummaryWriter(run_dir / "tensorboard", purge_step=step + 1)
        self._bar = tqdm(
            total=num_steps,
            initial=step,
            unit="step",
            disable=not distributed.is_main(),
            mininterval=0.1 if sys.stderr.isatty() else 20.0,  # seconds; fewer lines in log files
        )

    def add(self, terms: dict[str, Tensor], batch: dict[str, Tensor]) -> None:
        """Adds the terms of a step, without synchronising the device."""
        for name, term in terms.items():
            self._terms.setdefault(name, []).append(term.detach())
        self._num_images += len(next(iter(batch.values()))) * distributed.world_size()
        self._bar.update()

    def write(self, step: int) -> None:
        """Writes the means since the last entry, and the speed."""
        means: dict[str, float] = {}
        names = sorted(self._terms)
        if names:
            averages = [torch.stack(self._terms[name]).float().mean() for name in names]
            values = distributed.average_(torch.stack(averages)).tolist()
            means = dict(zip(names, values, strict=True))
        now = time.perf_counter()
        means["images_per_second"] = self._num_images / (now - self._since)
        self._terms, self._num_images, self._since = {}, 0, now
        self.note(step, means)
        shown = {name: f"{value:.4g}" for name, value in means.items()}
        self._bar.set_postfix(shown, refresh=False)

    def note(self, step: int, numbers: Mapping[str, float]) -> None:
        """Writes numbers: to TensorBoard, and as a line of ``log.jsonl``.

        Args:
            step: Number of steps so far.
            numbers: Numbers by name.

        Raises:
            TrainingError: If the log cannot be written.
        """
        if self._writer is None:
            return
        entry = {"step": step, "seconds": round(time.perf_counter() - self._begin, 1), **numbers}
        with _writing(self._path.parent):
            for name, value in numbers.items():
                self._writer.add_scalar(name, value, step)
            with self._path.open("a") as file:
                file.write(json.dumps(entry) + "\n")

    def show(self, name: str, images: Tensor, step: int) -> None:
        """Writes pictures as one PNG file, and shows it in TensorBoard.

        Args:
            name: Name of the pictures.
            images: In [-1, 1], ``[B, 3, H, W]``, or one finished grid, ``[3, H, W]``.
            step: Number of steps so far.

        Raises:
            TrainingError: If the files cannot be written.
        """
        with _writing(self._samples_dir.parent):
            self._samples_dir.mkdir(exist_ok=True)
            pixels = save_grid(self._samples_dir / f"{name}-{step:08d}.png", images)
            if self._writer:
                self._writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Flushes and closes the log.

        Raises:
            TrainingError: If the log cannot be written.
        """
        self._bar.close()
        if self._writer:
            with _writing(self._path.parent):
                self._writer.close()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns write errors, also TensorBoard's delayed ones, into a :class:`TrainingError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise TrainingError(f"cannot write the log in {folder}: {reason}") from error


def save_grid(path: Path, images: Tensor) -> np.ndarray:
    """Writes pictures as one file; returns its pixels, uint8, ``[H, W, 3]``.

    Args:
        path: The file.
        images: In [-1, 1], ``[B, 3, H, W]``, or one finished grid, ``[3, H, W]``.
    """
    images = images.detach().float().cpu()
    grid = make_grid(images) if images.ndim == 4 else images
    pixels = grid.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path)
    return pixels


def make_grid(images: Tensor, border: int = 2) -> Tensor:
    """Arranges pictures in an approximately square grid.

    Args:
        images: In [-1, 1], ``[B, 3, H, W]``.
        border: Width of the black border around each picture, in pixels.

    Returns:
        One picture, ``[3, rows · (H + border) + border, columns · (W + border) + border]``.
    """
    count, channels, height, width = images.shape
    num_columns = math.ceil(math.sqrt(count))
    num_rows = math.ceil(count / num_columns)
    cell = (height + border, width + border)
    grid = images.new_full(
        (channels, num_rows * cell[0] + border, num_columns * cell[1] + border), -1.0
    )
    for index, image in enumerate(images):
        row, column = divmod(index, num_columns)
        top, left = row * cell[0] + border, column * cell[1] + border
        grid[:, top : top + height, left : left + width] = image
    return grid
