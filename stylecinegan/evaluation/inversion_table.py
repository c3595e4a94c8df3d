"""Table 5: inversion with w+ alone and with w+ and D^10; Fréchet distance of samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan import StyleCineGAN, io, visualization
from stylecinegan.backbones.lpips_trunks import Net
from stylecinegan.checkpoints.fingerprints import fingerprint
from stylecinegan.data.pictures import stem
from stylecinegan.errors import InputError
from stylecinegan.evaluation.comparison import make_metrics
from stylecinegan.evaluation.measurement_cache import Entries, MeasurementCache, measure_all
from stylecinegan.evaluation.photos import Photos
from stylecinegan.evaluation.report import Row, Table
from stylecinegan.evaluation.statistics import deviations, mean_rows
from stylecinegan.metrics.frechet_protocols import (
    FrechetProtocol,
    picture_protocols,
    seeds_of_run,
)
from stylecinegan.metrics.gaussians import Gaussian
from stylecinegan.metrics.pictures import PictureMetric

PAPER = {
    "w+ only": {
        "LPIPS alex": 0.0153,
        "RMSE": 18.5901,
        "MS-SSIM": 0.7891,
        "fid_pytorch_fid_256": 40.8276,
    },
    "w+ and D10": {
        "LPIPS alex": 0.0019,
        "RMSE": 5.6410,
        "MS-SSIM": 0.9907,
        "fid_pytorch_fid_256": 11.8231,
    },
}
"""Table 5, on 256 photos of the paper's test set at 1024x1024; its LPIPS network is not named."""

NUM_RECONSTRUCTIONS = 16
NUM_SAMPLES_SHOWN = 64
BATCH_SIZE = 16


@dataclass(frozen=True)
class InversionMeasurement:
    """Measures both inversions of a photo.

    Attributes:
        model: The model.
        photos: The photos.
        metrics: Metrics of an inversion against the photo.
        protocols: Fréchet distances, whose features are computed as well.
    """

    model: StyleCineGAN
    photos: Photos
    metrics: Sequence[PictureMetric]
    protocols: Sequence[FrechetProtocol]

    @torch.no_grad()
    def __call__(self, name: str) -> Entries:
        """Measures a photo by name; one entry per inversion, and one with the photo's features."""
        photo, label = self.photos.read(name), stem(name)
        entries: Entries = [{"photo": label, "features": self._features(photo)}]
        for row, image in self.invert(photo).items():
            figures = {metric.name: float(metric(image, photo)) for metric in self.metrics}
            features = self._features(image)
            entries.append({"row": row, "photo": label, **figures, "features": features})
        return entries

    @torch.no_grad()
    def invert(self, photo: Tensor) -> dict[str, Tensor]:
        """Inverts a photo with w+ alone and with D^10, at its own size; by row."""
        inversion = self.model.invert(photo)
        code_only = self.model.generator(inversion.w_plus).clamp(-1.0, 1.0)
        return {
            row: _fit(image, photo)
            for row, image in zip(PAPER, (code_only, inversion.image), strict=True)
        }

    def settings(self) -> dict[str, str]:
        """All that the numbers of a photo depend on, for the cache."""
        protocols = [protocol.name for protocol in self.protocols]
        return {
            "model": fingerprint(self.model),
            # Without their number: more photos measure only the others.
            "photos": f"{self.photos.folder.path} {self.photos.size}",
            "metrics": f"{[metric.name for metric in self.metrics]} {protocols}",
        }

    def _features(self, image: Tensor) -> dict[str, list[float]]:
        """Features of an image by protocol, to seven digits."""
        found: dict[str, list[float]] = {}
        for protocol in self.protocols:
            statistics = protocol.statistics()
            statistics.add(image)
            found[protocol.name] = [float(f"{x:.7g}") for x in statistics.features()[0]]
        return found


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
        for images in _samples(self.model, seeds_of_run(int(name[4:]), self.count)):
            for accumulated in statistics:
                accumulated.add(images)
        distances = {
            protocol.name: self.real[protocol.name].distance(accumulated.gaussian())
            for protocol, accumulated in zip(self.protocols, statistics, strict=True)
        }
        return [{"run": name, **distances}]


@torch.no_grad()
def measure_inversion(
    model: StyleCineGAN,
    output_dir: Path,
    *,
    photos: Photos,
    num_samples: int = 5000,
    num_runs: int = 3,
    reference: str | Path | None = None,
    squeezenet: str | Path | None = None,
    lpips: Net | None = "alex",
    lpips_trunk: str | Path | None = None,
    num_processes: int = 1,
) -> Table:
    """Measures inversions of photos and samples, and writes pictures of them.

    LPIPS, RMSE and MS-SSIM compare 8-bit pictures and are means over the photos. Fréchet distances
    of both inversions and of samples of the generator (ψ = 1) to the photos are measured by every
    protocol whose weights are available; those of samples are means over runs with different seeds.
    Measurements are cached in ``photos/`` and ``samples/``; a second run resumes.

    Args:
        model: The model to measure.
        output_dir: Folder of ``reconstructions.png`` (photo, w+ only, w+ and D^10),
            ``samples.png`` (64 samples, seeds 0 to 63, ψ = 1) and ``reference/PROTOCOL.npz``, the
            statistics of the photos.
        photos: Photos that the model was not trained on.
        num_samples: Number of samples per run; 0 leaves them out.
        num_runs: Number of runs, each with its own seeds.
        reference: Folder of ``PROTOCOL.npz``, statistics to compare samples with; by default those
            of the photos.
        squeezenet: ``.npz`` of SqueezeNet 1.0, for the distance of its features.
        lpips: Network of LPIPS.
        lpips_trunk: File of its convolutions, see
            :func:`~stylecinegan.evaluation.comparison.make_metrics`.
        num_processes: Number of worker processes; the numbers do not depend on it.

    Returns:
        The table, with details per photo and inversion.

    Raises:
        InputError: If a given file cannot be used.
    """
    if num_samples and num_runs < 1:
        raise InputError(f"num_runs must be at least 1, got {num_runs}")
    protocols = picture_protocols(squeezenet)
    side = min(photos.read(photos.names[0]).shape[2:])
    metrics = make_metrics(side, None, lpips, lpips_trunk)
    measure = InversionMeasurement(model, photos, metrics, protocols)
    settings, digest = measure.settings(), photos.digest()
    cache = MeasurementCache(output_dir / "photos", settings)
    results = measure_all(photos.names, measure, cache, num_processes=num_processes)
    found = [entry for entries in results for entry in entries]
    real = {p.name: _gaussian(found, p, None) for p in protocols}
    for name, gaussian in real.items():
        gaussian.write(output_dir / "reference" / f"{name}.npz", name, digest)
    _write_reconstructions(measure, output_dir)
    title = f"Inversion of {len(photos)} photos, SHA-256 of their pixels {digest[:8]}…"
    rows, details = _inversion_rows(found, protocols, real)
    spread = deviations(details, PAPER)
    table = Table(title, rows, PAPER, details, spread, seconds=cache.seconds(photos.names))
    sources = f"photos {digest[:8]}…"
    if reference is not None:
        real, sources = _read_references(Path(reference), protocols)
    if num_samples:
        _write_samples(model, output_dir, min(num_samples, NUM_SAMPLES_SHOWN))
    if not (num_samples and protocols):
        return table
    settings = {"model": settings["model"], "samples": f"{num_samples} beside {sources}"}
    cache = MeasurementCache(output_dir / "samples", settings)
    measure_run = SampleMeasurement(model, num_samples, protocols, real)
    table = _add_samples(table, measure_run, num_runs, cache)
    title += f"; {num_runs} runs of {num_samples} samples, beside {sources}"
    return replace(table, title=title)


def _inversion_rows(
    found: Entries, protocols: Sequence[FrechetProtocol], real: Mapping[str, Gaussian]
) -> tuple[list[Row], Entries]:
    """Rows of both inversions, and their figures photo by photo."""
    details = [
        {key: value for key, value in entry.items() if key != "features"}
        for entry in found
        if "row" in entry
    ]
    rows: list[Row] = [
        {**row, **_distances(found, protocols, real, str(row["row"]))}
        for row in mean_rows(details, PAPER)
    ]
    return rows, details


def _read_references(
    folder: Path, protocols: Sequence[FrechetProtocol]
) -> tuple[dict[str, Gaussian], str]:
    """Reads the statistics of real photos by protocol, and names the photos they are of."""
    read = {p.name: Gaussian.read(folder / f"{p.name}.npz", p.name) for p in protocols}
    sources = ", ".join(sorted({f"photos {source[:8]}…" for _, source in read.values()}))
    return {name: gaussian for name, (gaussian, _) in read.items()}, sources


def _add_samples(
    table: Table, measure: SampleMeasurement, num_runs: int, cache: MeasurementCache
) -> Table:
    """Measures the runs of samples and adds their mean as a row, with the deviation over runs."""
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


def _gaussian(found: Entries, protocol: FrechetProtocol, row: str | None) -> Gaussian:
    """Statistics of a row's features; ``None`` is the row of the photos."""
    features = [e["features"][protocol.name] for e in found if e.get("row") == row]
    return Gaussian.of(np.array(features, dtype=np.float64))


def _distances(
    found: Entries, protocols: Sequence[FrechetProtocol], real: Mapping[str, Gaussian], row: str
) -> dict[str, float]:
    return {
        p.column(real[p.name].count): real[p.name].distance(_gaussian(found, p, row))
        for p in protocols
        if real[p.name].count > 1
    }


def _write_reconstructions(measure: InversionMeasurement, output_dir: Path) -> None:
    shown: list[Tensor] = []
    for name in measure.photos.names[:NUM_RECONSTRUCTIONS]:
        photo = measure.photos.read(name)
        shown += [photo, *measure.invert(photo).values()]
    sheet = visualization.contact_sheet(shown, 6, cell=(256, 256))
    io.write_image(output_dir / "reconstructions.png", sheet)


def _write_samples(model: StyleCineGAN, output_dir: Path, count: int) -> None:
    batches = _samples(model, range(count))
    shown = [image for images in batches for image in images.split(1)]
    io.write_image(output_dir / "samples.png", visualization.contact_sheet(shown, 8))


def _samples(model: StyleCineGAN, seeds: range) -> Iterator[Tensor]:
    """Samples of the generator (ψ = 1) in batches, ``[B, 3, H, W]`` in [-1, 1]."""
    for first in range(0, len(seeds), BATCH_SIZE):
        codes = [
            model.generator.sample_w_plus(seed, truncation=1.0)
            for seed in seeds[first : first + BATCH_SIZE]
        ]
        yield model.generator(torch.cat(codes)).clamp(-1.0, 1.0)


def _fit(image: Tensor, photo: Tensor) -> Tensor:
    if image.shape == photo.shape:
        return image
    return F.interpolate(image, photo.shape[2:], mode="bilinear", antialias=True)
