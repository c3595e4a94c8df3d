"""Fréchet distance of the generator's samples to real photos, over runs with different seeds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylecinegan import StyleCineGAN, io, visualization
from stylecinegan.evaluation.measurement_cache import Entries, MeasurementCache, measure_all
from stylecinegan.evaluation.report import Row, Table
from stylecinegan.metrics.frechet_protocols import FrechetProtocol, seeds_of_run
from stylecinegan.metrics.gaussians import Gaussian

NUM_SHOWN = 64
BATCH_SIZE = 16


@dataclass(frozen=True)
class SampleMeasurement:
    """Measures the Fréchet distances of the samples of a run.

    Attributes:
        model: The model.
        count: Number of samples in a run.
        protocols: Fréchet distances.
        real: Statistics of real photos by protocol.
    """

    model: StyleCineGAN
    count: int
    protocols: Sequence[FrechetProtocol]
    real: Mapping[str, Gaussian]

    @torch.no_grad()
    def __call__(self, name: str) -> Entries:
        """Measures a run by its name, ``run_NUMBER``; a single entry."""
        statistics = [protocol.statistics() for protocol in self.protocols]
        seeds = seeds_of_run(int(name.removeprefix("run_")), self.count)
        for images in draw_samples(self.model, seeds):
            for accumulated in statistics:
                accumulated.add(images)
        distances = {
            protocol.name: self.real[protocol.name].distance(accumulated.gaussian())
            for protocol, accumulated in zip(self.protocols, statistics, strict=True)
        }
        return [{"run": name, **distances}]


def add_samples(
    table: Table, measure: SampleMeasurement, num_runs: int, cache: MeasurementCache
) -> Table:
    """Measures runs of samples and adds their mean to a table.

    Args:
        table: The table, which is not modified.
        measure: Measures a run.
        num_runs: Number of runs.
        cache: Cache of the measured runs.

    Returns:
        The table with a row ``samples``, and with two or more runs its standard deviation.
    """
    names = [f"run_{run}" for run in range(num_runs)]
    runs = [entries[0] for entries in measure_all(names, measure, cache)]
    columns = {
        p.column(measure.count): [float(run[p.name]) for run in runs] for p in measure.protocols
    }
    row: Row = {"row": "samples", **{c: sum(v) / len(v) for c, v in columns.items()}}
    spread = dict(table.deviations)
    if num_runs > 1:
        spread["samples"] = {
            column: float(np.std(values, ddof=1)) for column, values in columns.items()
        }
    seconds = (table.seconds or 0.0) + cache.seconds(names)
    return replace(table, rows=[*table.rows, row], deviations=spread, seconds=seconds)


def read_references(
    folder: Path, protocols: Sequence[FrechetProtocol]
) -> tuple[dict[str, Gaussian], str]:
    """Reads statistics of real photos.

    Args:
        folder: Folder of ``PROTOCOL.npz``.
        protocols: Protocols to read.

    Returns:
        Statistics by protocol, and a description of the photos they are of.

    Raises:
        InputError: If a file is missing or of another protocol.
    """
    read = {p.name: Gaussian.read(folder / f"{p.name}.npz", p.name) for p in protocols}
    photos = ", ".join(sorted({f"photos {digest[:8]}…" for _, digest in read.values()}))
    return {name: gaussian for name, (gaussian, _) in read.items()}, photos


def write_samples(path: Path, model: StyleCineGAN, count: int) -> None:
    """Writes a contact sheet of the first samples, seeds 0 to at most 63 (ψ = 1).

    Args:
        path: Image file.
        model: The model.
        count: Number of samples of a run.
    """
    batches = draw_samples(model, range(min(count, NUM_SHOWN)))
    shown = [image for images in batches for image in images.split(1)]
    io.write_image(path, visualization.contact_sheet(shown, 8))


def draw_samples(model: StyleCineGAN, seeds: range) -> Iterator[Tensor]:
    """Yields samples of the generator (ψ = 1) in batches, ``[B, 3, R, R]`` in [-1, 1]."""
    for first in range(0, len(seeds), BATCH_SIZE):
        codes = [
            model.generator.sample_w_plus(seed, truncation=1.0)
            for seed in seeds[first : first + BATCH_SIZE]
        ]
        yield model.generator(torch.cat(codes)).clamp(-1.0, 1.0)
