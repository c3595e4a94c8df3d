"""Tables 1 and 4: animations of the first frames of real clips against the clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from stylecinegan import StyleCineGAN, io, visualization
from stylecinegan.backbones.lpips_trunks import Net
from stylecinegan.baselines import Baseline, FixedScene
from stylecinegan.checkpoints.fingerprints import fingerprint
from stylecinegan.errors import InputError
from stylecinegan.evaluation.clips import RealClips
from stylecinegan.evaluation.comparison import Part, compare_frames, fit_size, make_metrics
from stylecinegan.evaluation.measurement_cache import Entries, MeasurementCache, measure_all
from stylecinegan.evaluation.report import Table, name_rows
from stylecinegan.evaluation.scenes import SceneSettings, estimate_clip_motion, make_scene
from stylecinegan.evaluation.statistics import deviations, mean_rows, paired_differences
from stylecinegan.framing import resize
from stylecinegan.metrics.pictures import PictureMetric

PAPER_ABLATIONS = {
    "full": {"frame LPIPS alex": 0.0511, "frame MS-SSIM": 0.7165, "frame RMSE": 21.8188},
    "w/o FW": {"frame LPIPS alex": 0.0524, "frame MS-SSIM": 0.6853, "frame RMSE": 22.9816},
    "w/o DFW": {"frame LPIPS alex": 0.0537, "frame MS-SSIM": 0.6908, "frame RMSE": 22.4993},
    "w/o MSDFW": {"frame LPIPS alex": 0.0629, "frame MS-SSIM": 0.6946, "frame RMSE": 22.3227},
    "w/o Mask": {"frame LPIPS alex": 0.0564, "frame MS-SSIM": 0.6980, "frame RMSE": 22.6213},
}
"""Table 4, on 60 frames of 224 test clips of Sky Time-lapse; its LPIPS network is not named."""

_COLUMNS = (
    "static LPIPS alex (masked equal)",
    "static MS-SSIM (masked equal)",
    "static RMSE (masked equal)",
    "motion LPIPS alex (masked equal)",
    "motion MS-SSIM (masked equal)",
    "motion RMSE (masked equal)",
)
PAPER_METHODS = {
    name: dict(zip(_COLUMNS, numbers, strict=True))
    for name, numbers in {
        "AL": (0.0477, 0.9524, 8.8956, 0.0617, 0.6819, 25.1089),
        "EMF": (0.0103, 0.9723, 6.0440, 0.0533, 0.7102, 22.8932),
        "DL": (0.0071, 0.9931, 2.1044, 0.0504, 0.7062, 21.8011),
        "T2C": (0.0063, 0.9773, 4.8785, 0.0159, 0.7224, 21.2784),
        "ours": (0.0062, 0.9962, 1.9430, 0.0131, 0.7237, 20.8948),
    }.items()
}
"""Table 1 without its FID, on 224 test clips at 512x512; its masking is not specified."""

PAPER = {"1": PAPER_METHODS, "4": PAPER_ABLATIONS}


@dataclass(frozen=True)
class ClipMeasurement:
    """Measures all methods on one clip.

    Attributes:
        model: Our model.
        clips: The real clips.
        methods: Methods by the name of their row.
        scenes: Mask, motion and speed of the scenes.
        metrics: Metrics to compute.
        parts: Regions to compare.
        compared_size: Longer side at which frames are compared; ``None`` is that of the clips.
        mean_speed: Mean speed of the test set, in longer sides of the picture per frame.
        sheets_dir: Folder of contact sheets ``NAME.png``: first, middle and last frame of the real
            clip and of each method, one row each.
    """

    model: StyleCineGAN
    clips: RealClips
    methods: Mapping[str, Baseline]
    scenes: SceneSettings
    metrics: Sequence[PictureMetric]
    parts: Sequence[Part]
    compared_size: int | None
    mean_speed: float | None
    sheets_dir: Path

    @torch.no_grad()
    def __call__(self, name: str) -> Entries:
        """Measures a clip by name.

        Returns:
            One entry per method, or a single one with the reason for leaving the clip out.
        """
        real = self.clips.read(name)
        try:
            scene = make_scene(self.model, name, real, self.scenes, self.mean_speed)
        except InputError as error:
            return [{"clip": name, "left out": str(error)}]
        real = fit_size(real, self.compared_size)
        mask = resize(scene.mask, (real.shape[2], real.shape[3]))
        share = float((mask > 0.5).float().mean())
        entries: Entries = []
        rows = [real]
        for row, method in self.methods.items():
            frames = fit_size(self._animate(method, scene), self.compared_size)
            figures = compare_frames(frames, real, mask, self.metrics, self.parts)
            entries.append({"row": row, "clip": name, "moving share": share, **figures})
            rows.append(frames)
        self._write_sheet(name, rows)
        return entries

    def settings(self) -> dict[str, str]:
        """All that the numbers depend on, for the cache."""
        metrics = [metric.name for metric in self.metrics]
        return {
            "model": fingerprint(self.model),
            "clips": _describe(self.clips),
            "methods": repr(self.methods),
            "scenes": f"{self.scenes!r} {self.mean_speed}",
            "compared": f"{list(self.parts)} {self.compared_size} {metrics}",
        }

    def _animate(self, method: Baseline, scene: FixedScene) -> Tensor:
        """The first T frames of a method, ``[T, 3, H, W]`` in [-1, 1]."""
        frames = torch.cat(list(islice(method(self.model, scene), scene.num_frames)))
        return frames.clamp(-1.0, 1.0)

    def _write_sheet(self, name: str, rows: Sequence[Tensor]) -> None:
        times = (0, self.clips.num_frames // 2, self.clips.num_frames - 1)
        shown = [frames[time, None] for frames in rows for time in times]
        sheet = visualization.contact_sheet(shown, len(times))
        io.write_image(self.sheets_dir / f"{name.replace('/', '_')}.png", sheet)


def measure_animations(
    model: StyleCineGAN,
    output_dir: Path,
    *,
    table: Literal["1", "4"],
    clips: RealClips,
    methods: Mapping[str, Baseline],
    scenes: SceneSettings,
    row_names: Mapping[str, str] | None = None,
    references: Mapping[str, str] | None = None,
    parts: Sequence[Part] = ("frame", "static", "motion"),
    compared_size: int | None = None,
    squeezenet: str | Path | None = None,
    lpips: Net | None = "alex",
    lpips_trunk: str | Path | None = None,
    num_processes: int = 1,
) -> Table:
    """Measures methods on real clips, whose frame 0 is the input and whose others are the truth.

    Frames are compared as arrays, without a codec; each number is a mean over the frames after the
    first, then over the clips. Measurements are cached in ``clips/``; a second run measures only
    missing clips and those with other settings.

    Args:
        model: Our model.
        output_dir: Folder of measurements and ``sheets/`` of frames.
        table: The paper's table, whose numbers are shown beside ours.
        clips: The real clips.
        methods: Methods by the name of their row, or by a key of ``row_names``.
        scenes: Mask, motion and speed of the scenes.
        row_names: Names of rows by the keys of their methods.
        references: Keys of the methods that others are compared with, by their keys; the first
            method by default.
        parts: Regions to compare.
        compared_size: Longer side at which frames are compared; by default that of the clips.
        squeezenet: ``.npz`` of SqueezeNet 1.0, for the distance of its features.
        lpips: Network of LPIPS.
        lpips_trunk: File of its convolutions, see
            :func:`~stylecinegan.evaluation.comparison.make_metrics`.
        num_processes: Number of worker processes; the numbers do not depend on it.

    Raises:
        InputError: If a clip has too few frames, or no clip is left.
    """
    side = compared_size or clips.size
    shape = fit_size(clips.read(clips.names[0])[:1], side).shape
    metrics = make_metrics(min(shape[2:]), squeezenet, lpips, lpips_trunk)
    mean = _mean_speed(clips, output_dir, num_processes) if scenes.speed == "mean" else None
    methods = name_rows(methods, row_names)
    measure = ClipMeasurement(
        model, clips, methods, scenes, metrics, list(parts), side, mean, output_dir / "sheets"
    )
    cache = MeasurementCache(output_dir / "clips", measure.settings())
    results = measure_all(clips.names, measure, cache, num_processes=num_processes)
    details = [entry for entries in results for entry in entries]
    if not any("row" in entry for entry in details):
        raise InputError(f"no clip could be measured: {details[0]['left out']}")
    return Table(
        _title(measure, details, (shape[2], shape[3])),
        mean_rows(details, methods),
        PAPER[table],
        details,
        deviations(details, methods),
        paired_differences(details, methods, _named(references or {}, row_names or {})),
        cache.seconds(clips.names),
    )


def _named(references: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """References by the names of rows in place of their keys."""
    return {names.get(k, k): names.get(reference, reference) for k, reference in references.items()}


def _title(measure: ClipMeasurement, details: Entries, compared_size: tuple[int, int]) -> str:
    """Describes the measured clips, and the size and the scenes that they are compared at."""
    clips = measure.clips
    num_used = len({entry["clip"] for entry in details if "row" in entry})
    title = (
        f"{num_used} of {len(clips)} clips of {clips.path.name}, frames 1 to "
        f"{clips.num_frames - 1} with frame 0 as input, rendered at {clips.size or 'their size'}, "
        f"compared at {' x '.join(map(str, compared_size))}: {measure.scenes.describe()}"
    )
    if "static" in measure.parts:
        with_static = {
            entry["clip"]
            for entry in details
            if any(column.startswith("static ") for column in entry)
        }
        title += f"; static regions in {len(with_static)} clips"
    return title


def _describe(clips: RealClips) -> str:
    """All of the clips that a measurement of one depends on, for the cache."""
    return f"{clips.path} {clips.num_frames} {clips.size}"


def _mean_speed(clips: RealClips, output_dir: Path, num_processes: int) -> float:
    """Mean typical speed of the test set, in longer sides of the picture per frame."""
    cache = MeasurementCache(output_dir / "speeds", {"clips": _describe(clips)})
    measure = partial(_speed_entry, clips)
    entries = measure_all(clips.names, measure, cache, num_processes=num_processes)
    speeds = [entry["speed"] for (entry,) in entries if "speed" in entry]
    if not speeds:
        raise InputError(f"wanted clips that move in {clips.path}, found none")
    return sum(speeds) / len(speeds)


def _speed_entry(clips: RealClips, name: str) -> Entries:
    """Typical speed of a clip, or the reason for leaving it out, as a single entry."""
    try:
        return [{"clip": name, "speed": estimate_clip_motion(clips.read(name))[1]}]
    except InputError as error:
        return [{"clip": name, "left out": str(error)}]
