"""Figure 6: distance of frame t from frame 0 over time."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from stylecinegan import StyleCineGAN, io
from stylecinegan.backbones.lpips_trunks import Net
from stylecinegan.baselines import Baseline, FixedScene
from stylecinegan.checkpoints.fingerprints import fingerprint
from stylecinegan.errors import InputError
from stylecinegan.evaluation.clips import RealClips
from stylecinegan.evaluation.comparison import compare_each, fit_size, make_metrics
from stylecinegan.evaluation.curves import plot_curves
from stylecinegan.evaluation.measurement_cache import Entries, MeasurementCache, measure_all
from stylecinegan.evaluation.report import Row, Table, name_rows
from stylecinegan.framing import resize
from stylecinegan.metrics.pictures import PictureMetric
from stylecinegan.motion.controls.controls import directed_motion, normalize_speed

SMALLEST_REGION = 0.1
"""Smallest area of the moving and of the static region, as a fraction of the picture."""


@dataclass(frozen=True)
class DriftMeasurement:
    """Measures the drift of all methods on one picture.

    Attributes:
        model: Our model.
        clips: Real clips whose first frames are the pictures; ``None`` for samples of the model.
        methods: Methods by the name of their curve.
        num_frames: Number of frames, including the first.
        period: N, the length of the loop.
        direction: A direction, or ``"predicted"``.
        speed: Maximum displacement per frame, in pixels of a picture whose longer side is 512.
        size: Longer side at which frames are compared.
        metrics: Metrics to compute.
        horizon: Fraction of the height, from the top, that moves; ``None`` predicts masks.
    """

    model: StyleCineGAN
    clips: RealClips | None
    methods: Mapping[str, Baseline]
    num_frames: int
    period: int
    direction: str
    speed: float
    size: int | None
    metrics: Sequence[PictureMetric]
    horizon: float | None = None

    @torch.no_grad()
    def __call__(self, name: str) -> Entries:
        """Measures a picture by name.

        Returns:
            One entry per method, or a single one with the reason for leaving the picture out.
        """
        photo = read_picture(self.model, self.clips, name)
        mask = self._mask(photo)
        share = float((mask > 0.5).float().mean())
        if not SMALLEST_REGION <= share <= 1.0 - SMALLEST_REGION:
            return [{"photo": name, "left out": f"{share:.0%} of the picture moves"}]
        scene = self._make_scene(name, photo, mask)
        entries: Entries = []
        for row, method in self.methods.items():
            frames = torch.cat(list(islice(method(self.model, scene), self.num_frames)))
            curves = self._measure(fit_size(frames.clamp(-1.0, 1.0), self.size), mask)
            entries.append({"row": row, "photo": name, "curves": curves})
        return entries

    def settings(self, source: str) -> dict[str, str]:
        """All that the numbers depend on, for the cache.

        Args:
            source: Origin of the pictures.
        """
        numbers = (self.num_frames, self.period, self.direction, self.speed, self.size)
        return {
            "model": fingerprint(self.model),
            "pictures": source,
            "methods": repr(self.methods),
            "frames": " ".join(map(str, (*numbers, self.horizon))),
            "metrics": repr([metric.name for metric in self.metrics]),
        }

    def conditions(self) -> str:
        """Masks and motion, for the title of the table."""
        moving = (
            "predicted masks" if self.horizon is None else f"the upper {self.horizon:.0%} moves"
        )
        return f"{moving}, N = {self.period}, motion {self.direction} at speed {self.speed:g}"

    def _mask(self, photo: Tensor) -> Tensor:
        if self.horizon is None:
            return self.model.segment(photo).mask
        mask = torch.zeros_like(photo[:, :1])
        mask[:, :, : round(self.horizon * photo.shape[2])] = 1.0
        return mask

    def _make_scene(self, name: str, photo: Tensor, mask: Tensor) -> FixedScene:
        """The scene of a picture, with motion of the wanted direction and speed."""
        if self.direction == "predicted":
            motion = self.model.predict_motion(photo, mask)
        else:
            motion = directed_motion(self.direction, mask)
        motion = normalize_speed(motion, self.speed)
        w_plus = None
        if self.clips is None:
            w_plus = self.model.generator.sample_w_plus(_seed(name))  # as model.sample draws it
        return FixedScene(name, photo, mask, motion, self.num_frames, self.period, w_plus)

    def _measure(self, frames: Tensor, mask: Tensor) -> dict[str, list[float]]:
        """Metrics of frames 1, 2, … against the method's own frame 0."""
        first = frames[:1].expand(len(frames) - 1, -1, -1, -1)
        is_static = (resize(mask, (frames.shape[2], frames.shape[3])) <= 0.5).float()
        curves: dict[str, list[float]] = {}
        for part, region in (("static", is_static), ("frame", None)):
            numbers = compare_each(frames[1:], first, self.metrics, region)
            curves |= {f"{part} {name}": values.tolist() for name, values in numbers.items()}
        return curves


def read_picture(model: StyleCineGAN, clips: RealClips | None, name: str) -> Tensor:
    """Reads the first frame of a clip, or without clips draws a sample of the model.

    Args:
        model: Draws the samples.
        clips: The clips, if there are some.
        name: Name of a clip, or ``seed_NUMBER``.

    Returns:
        ``[1, 3, H, W]`` in [-1, 1].
    """
    return model.sample(_seed(name)) if clips is None else clips.read(name)[:1]


def _seed(name: str) -> int:
    """Seed of a sample by its name."""
    return int(name.removeprefix("seed_"))


def measure_drift(
    model: StyleCineGAN,
    output_dir: Path,
    *,
    methods: Mapping[str, Baseline],
    row_names: Mapping[str, str] | None = None,
    clips: RealClips | None = None,
    num_samples: int = 300,
    num_frames: int = 60,
    period: int = 120,
    motion: str = "predicted",
    speed: float = 1.0,
    horizon: float | None = None,
    compared_size: int | None = 128,
    squeezenet: str | Path | None = None,
    lpips: Net | None = "alex",
    lpips_trunk: str | Path | None = None,
    num_processes: int = 1,
) -> Table:
    """Measures the distance of each frame from frame 0, in static regions and overall (Fig. 6).

    Pictures are left out if their moving or static region covers less than a tenth of them.
    Measurements are cached in ``photos/``; a second run resumes.

    Args:
        model: Our model; without clips, its samples are the pictures.
        output_dir: Folder of ``curves.png`` and ``curves.csv``.
        methods: Methods by the name of their curve, or by a key of ``row_names``.
        row_names: Names of curves by the keys of their methods.
        clips: Real clips whose first frames are the pictures.
        num_samples: Number of samples of the generator (ψ = 0.7, seeds from 0) without clips.
        num_frames: Number of frames, including the first.
        period: N, the length of our loop.
        motion: ``"predicted"``, or a direction.
        speed: Maximum displacement per frame, in pixels of a picture whose longer side is 512.
        horizon: Fraction of the height, from the top, that moves in all pictures; the paper chose
            samples divided by a horizontal line. By default masks are predicted.
        compared_size: Longer side at which frames are compared.
        squeezenet: ``.npz`` of SqueezeNet 1.0, for the distance of its features.
        lpips: Network of LPIPS.
        lpips_trunk: File of its convolutions, see
            :func:`~stylecinegan.evaluation.comparison.make_metrics`.
        num_processes: Number of worker processes; the numbers do not depend on it.

    Returns:
        A table with the metrics of the middle and of the last frame.

    Raises:
        InputError: If no picture could be used, or the loop is shorter than ``num_frames``.
    """
    _check_settings(num_frames, period, horizon)
    names = [f"seed_{seed:05d}" for seed in range(num_samples)] if clips is None else clips.names
    source = f"{num_samples} samples" if clips is None else f"{clips.path} {clips.size}"
    methods = name_rows(methods, row_names)
    size = fit_size(read_picture(model, clips, names[0]), compared_size).shape[2:]
    metrics = make_metrics(min(size), squeezenet, lpips, lpips_trunk)
    measure = DriftMeasurement(
        model, clips, methods, num_frames, period, motion, speed, compared_size, metrics, horizon
    )
    cache = MeasurementCache(output_dir / "photos", measure.settings(source))
    results = measure_all(names, measure, cache, num_processes=num_processes)
    entries = [entry for found in results for entry in found if "row" in entry]
    if not entries:
        raise InputError(
            "no picture has both a moving and a static region of at least "
            f"{SMALLEST_REGION:.0%}; table.horizon=0.5 moves the upper half of every picture"
        )
    curves = {row: _mean([e["curves"] for e in entries if e["row"] == row]) for row in methods}
    _write_curves(output_dir, curves)
    num_used = len({entry["photo"] for entry in entries})
    title = (
        f"Drift from frame 0 over {num_frames} frames of {num_used} of {len(names)} pictures "
        f"({source}), {measure.conditions()}, compared at {' x '.join(map(str, size))}"
    )
    rows = [row for name in methods for row in _rows(name, curves[name])]
    return Table(title, rows, seconds=cache.seconds(names))


def _check_settings(num_frames: int, period: int, horizon: float | None) -> None:
    """Checks the settings.

    Raises:
        InputError: If one is out of range.
    """
    if not 3 <= num_frames <= period:
        raise InputError(f"num_frames must be in [3, period={period}], got {num_frames}")
    if horizon is not None and not SMALLEST_REGION <= horizon <= 1.0 - SMALLEST_REGION:
        limits = [SMALLEST_REGION, 1.0 - SMALLEST_REGION]
        raise InputError(f"horizon must be in {limits} or null, got {horizon}")


def _mean(curves: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Mean curve of each metric over the pictures."""
    return {
        name: torch.tensor([curve[name] for curve in curves], dtype=torch.float64).mean(0).tolist()
        for name in curves[0]
    }


def _rows(name: str, curves: Mapping[str, Sequence[float]]) -> list[Row]:
    """Rows of the middle and of the last frame."""
    length = len(next(iter(curves.values())))
    return [
        {
            "row": f"{name}, frame {frame}",
            **{key: curve[frame - 1] for key, curve in curves.items()},
        }
        for frame in ((length + 1) // 2, length)
    ]


def _write_curves(output_dir: Path, curves: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Writes and plots the curves, which are by row and metric."""
    columns = list(next(iter(curves.values())))
    with (output_dir / "curves.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "frame", *columns])
        for row, numbers in curves.items():
            for frame, values in enumerate(zip(*numbers.values(), strict=True), 1):
                writer.writerow([row, frame, *(f"{value:.6g}" for value in values)])
    by_panel = {
        column: {row: numbers[column] for row, numbers in curves.items()} for column in columns
    }
    io.write_image(output_dir / "curves.png", plot_curves(by_panel, "frame"))
