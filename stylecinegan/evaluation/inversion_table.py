"""Table 5: inversion with w+ alone and with w+ and D^10, and samples of the generator."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, io, visualization
from stylecinegan.evaluation.photos import Photos
from stylecinegan.evaluation.report import Row, Table
from stylecinegan.losses.adversarial import SqueezeNetFeatures
from stylecinegan.metrics.pictures import FeatureStatistics, multi_scale_ssim, rmse

PAPER = {
    "w+ only": {"RMSE": 18.5902, "MS-SSIM": 0.7893},
    "w+ and D10": {"RMSE": 5.6404, "MS-SSIM": 0.9907},
}
"""Of Table 5, on 256 photos of its own test set at 1024x1024."""

NUM_RECONSTRUCTIONS = 16
NUM_SAMPLES_SHOWN = 64
BATCH = 16


@torch.no_grad()
def measure_inversion(
    model: StyleCineGAN,
    output_dir: Path,
    *,
    photos: Photos,
    num_samples: int = 5000,
    squeezenet: str | Path | None = None,
) -> Table:
    """Measures how well photos are inverted, and writes pictures of it.

    RMSE and MS-SSIM compare 8-bit pictures and are means over the photos. The Fréchet distance
    compares samples of the generator (ψ = 1, seeds 0 …) with the photos over fixed SqueezeNet
    features (``fire9``, averaged over the picture): it serves to compare runs and is no FID.

    Args:
        model: What is measured.
        output_dir: Where ``reconstructions.png`` (photo, w+ only, w+ and D^10) and ``samples.png``
            (64 samples, seeds 0 to 63, ψ = 1) are written.
        photos: Photos that the model was not trained on.
        num_samples: Samples for the Fréchet distance; 0 leaves it and the sample sheet out.
        squeezenet: ``.npz`` of SqueezeNet 1.0; without it there is no Fréchet distance.

    Returns:
        The table, with one detail a photo.
    """
    network = None if squeezenet is None or not num_samples else SqueezeNetFeatures(squeezenet)
    real = None if network is None else FeatureStatistics(network)
    details: list[Row] = []
    shown: list[Tensor] = []
    for name, photo in tqdm(photos, total=len(photos), unit="photo"):
        inversion = model.invert(photo)
        code_only = model.generator(inversion.w_plus).clamp(-1.0, 1.0)
        inverted = {"w+ only": code_only, "w+ and D10": inversion.image}
        for row, image in inverted.items():
            fitted = _fit(image, photo)
            figures = {"RMSE": rmse(fitted, photo), "MS-SSIM": multi_scale_ssim(fitted, photo)}
            details.append({"row": row, "photo": name, **figures})
        if len(shown) < 3 * NUM_RECONSTRUCTIONS:
            shown += [photo, *inverted.values()]
        if real is not None:
            real.add(photo)
    output_dir.mkdir(parents=True, exist_ok=True)
    cell = (256, 256)
    io.write_image(
        output_dir / "reconstructions.png", visualization.contact_sheet(shown, 6, cell=cell)
    )
    rows = [_mean(details, name) for name in PAPER]
    if num_samples:
        sampled = None if network is None else FeatureStatistics(network)
        _measure_samples(model, output_dir, num_samples, sampled)
        if real is not None and sampled is not None:
            rows.append({"row": "samples", "Fréchet (SqueezeNet)": real.distance(sampled)})
    return Table(f"Inversion of {len(photos)} photos", rows, PAPER, details)


def _measure_samples(
    model: StyleCineGAN, output_dir: Path, count: int, statistics: FeatureStatistics | None
) -> None:
    """Writes the sample sheet and, where asked for, takes the statistics of the samples."""
    wanted = count if statistics is not None else min(count, NUM_SAMPLES_SHOWN)
    shown: list[Tensor] = []
    for images in tqdm(_samples(model, wanted), total=-(-wanted // BATCH), unit="batch"):
        if len(shown) < NUM_SAMPLES_SHOWN:
            shown += images.split(1)
        if statistics is not None:
            statistics.add(images)
    sheet = visualization.contact_sheet(shown[:NUM_SAMPLES_SHOWN], 8)
    io.write_image(output_dir / "samples.png", sheet)


def _samples(model: StyleCineGAN, count: int) -> Iterator[Tensor]:
    for first in range(0, count, BATCH):
        seeds = range(first, min(first + BATCH, count))
        codes = [model.generator.sample_w_plus(seed, truncation=1.0) for seed in seeds]
        yield model.generator(torch.cat(codes)).clamp(-1.0, 1.0)


def _fit(image: Tensor, photo: Tensor) -> Tensor:
    if image.shape == photo.shape:
        return image
    return F.interpolate(image, photo.shape[2:], mode="bilinear", antialias=True)


def _mean(details: list[Row], name: str) -> Row:
    chosen = [entry for entry in details if entry["row"] == name]
    columns = ("RMSE", "MS-SSIM")
    return {
        "row": name,
        **{c: sum(float(entry[c]) for entry in chosen) / len(chosen) for c in columns},
    }
