"""Table 5: inversion with w+ alone and with w+ and D^10; Fréchet distance of samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
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
from stylecinegan.evaluation.sample_quality import (
    SampleMeasurement,
    add_samples,
    read_references,
    write_samples,
)
from stylecinegan.evaluation.statistics import deviations, mean_rows
from stylecinegan.framing import resize
from stylecinegan.metrics.frechet_protocols import FrechetProtocol, picture_protocols
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

NUM_SHOWN = 16


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
        """Inverts a photo with w+ alone and with w+ and D^10.

        Args:
            photo: ``[1, 3, H, W]`` in [-1, 1].

        Returns:
            Images of the photo's size, by row of the table.
        """
        inversion = self.model.invert(photo)
        code_only = self.model.generator(inversion.w_plus).clamp(-1.0, 1.0)
        size = (photo.shape[2], photo.shape[3])
        images = (code_only, inversion.image)
        return {row: resize(image, size) for row, image in zip(PAPER, images, strict=True)}

    def settings(self) -> dict[str, str]:
        """All that the numbers of a photo depend on, for the cache."""
        protocols = [protocol.name for protocol in self.protocols]
        return {
            "model": fingerprint(self.model),
            # Without their number, so that a run with more photos measures only the added ones.
            "photos": f"{self.photos.folder.path} {self.photos.size}",
            "metrics": f"{[metric.name for metric in self.metrics]} {protocols}",
        }

    def _features(self, image: Tensor) -> dict[str, list[float]]:
        """Features of an image by protocol, to seven digits, the precision of float32."""
        found: dict[str, list[float]] = {}
        for protocol in self.protocols:
            statistics = protocol.statistics()
            statistics.add(image)
            found[protocol.name] = [float(f"{x:.7g}") for x in statistics.features()[0]]
        return found


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
        squeezenet: ``.npz`` of SqueezeNet 1.0, for the Fréchet distance of its features.
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
    compared_with = f"photos {digest[:8]}…"
    if reference is not None:
        real, compared_with = read_references(Path(reference), protocols)
    if num_samples:
        write_samples(output_dir / "samples.png", model, num_samples)
    if not (num_samples and protocols):
        return table
    run_settings = {"model": settings["model"], "samples": f"{num_samples} beside {compared_with}"}
    cache = MeasurementCache(output_dir / "samples", run_settings)
    measure_run = SampleMeasurement(model, num_samples, protocols, real)
    title += f"; {num_runs} runs of {num_samples} samples, beside {compared_with}"
    return replace(add_samples(table, measure_run, num_runs, cache), title=title)


def _inversion_rows(
    found: Entries, protocols: Sequence[FrechetProtocol], real: Mapping[str, Gaussian]
) -> tuple[list[Row], Entries]:
    """Rows of both inversions, and their metrics photo by photo."""
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


def _gaussian(found: Entries, protocol: FrechetProtocol, row: str | None) -> Gaussian:
    """Statistics of a row's features; ``None`` is the row of the photos."""
    features = [e["features"][protocol.name] for e in found if e.get("row") == row]
    return Gaussian.of(np.array(features, dtype=np.float64))


def _distances(
    found: Entries, protocols: Sequence[FrechetProtocol], real: Mapping[str, Gaussian], row: str
) -> dict[str, float]:
    """Fréchet distances of a row to the photos, by column; none for a single photo."""
    return {
        p.column(real[p.name].count): real[p.name].distance(_gaussian(found, p, row))
        for p in protocols
        if real[p.name].count > 1
    }


def _write_reconstructions(measure: InversionMeasurement, output_dir: Path) -> None:
    shown: list[Tensor] = []
    for name in measure.photos.names[:NUM_SHOWN]:
        photo = measure.photos.read(name)
        shown += [photo, *measure.invert(photo).values()]
    sheet = visualization.contact_sheet(shown, 6, cell=(256, 256))
    io.write_image(output_dir / "reconstructions.png", sheet)
