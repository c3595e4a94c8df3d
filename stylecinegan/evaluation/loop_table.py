"""Table of loop quality: closing, motion and detail."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, io, visualization
from stylecinegan.errors import InputError
from stylecinegan.evaluation.comparison import make_metrics
from stylecinegan.evaluation.photos import Photos
from stylecinegan.evaluation.report import Row, Table
from stylecinegan.inputs import resize_photo
from stylecinegan.io.paths import VIDEO_SUFFIXES
from stylecinegan.metrics.loop_quality import LoopQuality
from stylecinegan.metrics.perceptual import LPIPS
from stylecinegan.warping.settings import Warping

SMALLEST_MOTION = 0.05
"""Mean step in the mask, in [0, 255], below which a video counts as static."""

COLUMNS = {
    "closing_step_ratio": "closing step",
    "step_ratio": "step ratio",
    "detail_kept": "detail kept",
    "least_detail_kept": "least detail kept",
}
"""Columns of the table by the names of :class:`~stylecinegan.metrics.loop_quality.LoopQuality`."""


@torch.no_grad()
def measure_loops(
    model: StyleCineGAN,
    output_dir: Path,
    *,
    photos: Photos | None = None,
    videos: str | Path | None = None,
    size: int | None = 256,
    num_frames: int = 120,
    speed: float = 1.0,
    warping: Warping | None = None,
    lpips_trunk: str | Path | None = None,
) -> Table:
    """Measures loops rendered from photos, or given as videos; values are means over the loops.

    - Closing step, step ratio and detail: see
      :class:`~stylecinegan.metrics.loop_quality.LoopQuality`.
    - Seam LPIPS: LPIPS of the last frame to the first, divided by the largest between neighbouring
      frames.
    - Static error: largest over the frames of the mean absolute difference from frame 0 where the
      mask is 0, in [0, 255].
    - Motion: mean absolute difference of neighbouring frames where the mask exceeds 0.9, in
      [0, 255].

    Static videos (motion below 0.05) have only the last two: a ratio of steps would be noise.

    Args:
        model: Predicts masks, and motion for photos.
        output_dir: Folder of ``loops.png``: the frames at 0, 1/4, 1/2 and 3/4 of each loop, and a
            row of pixels over the time of two loops.
        photos: Photos to animate, for the row ``rendered``.
        videos: Folder of videos or folders of frames, for the row ``written``. Their masks are
            ``NAME_mask.png`` beside them, or predicted from frame 0.
        size: Longer side that videos are resized to.
        num_frames: N, length of rendered loops.
        speed: Maximum displacement per frame of rendered loops, in pixels of a picture whose
            longer side is 512.
        warping: Settings of the rendering.
        lpips_trunk: Convolutions of LPIPS (alex), see
            :func:`~stylecinegan.evaluation.comparison.make_metrics`.

    Raises:
        InputError: If there are neither photos nor videos.
    """
    if photos is None and videos is None:
        raise InputError("table.photos.path=FOLDER or table.videos=FOLDER is needed")
    metrics = make_metrics(256, lpips_trunk=lpips_trunk)
    lpips = next((metric for metric in metrics if isinstance(metric, LPIPS)), None)
    details: list[Row] = []
    sheet: list[Tensor] = []
    rows: list[Row] = []
    groups: dict[str, Iterator[tuple[str, Tensor, Iterable[Tensor]]]] = {}
    if photos is not None:
        groups["rendered"] = _rendered(model, photos, num_frames, speed, warping)
    if videos is not None:
        groups["written"] = _written(model, Path(videos), size)
    for row, loops in groups.items():
        measured: list[dict[str, float]] = []
        for name, mask, frames in tqdm(loops, unit="loop"):
            figures, shown = _measure(mask, frames, lpips)
            measured.append(figures)
            details.append({"row": row, "loop": name, **figures})
            sheet += _pictures(shown, mask)
        rows.append({"row": row, "loops": float(len(measured)), **_means(measured)})
    output_dir.mkdir(parents=True, exist_ok=True)
    io.write_image(output_dir / "loops.png", visualization.contact_sheet(sheet, 5, cell=(192, 192)))
    return Table("Loops", rows, details=details)


def _rendered(
    model: StyleCineGAN, photos: Photos, num_frames: int, speed: float, warping: Warping | None
) -> Iterator[tuple[str, Tensor, Iterable[Tensor]]]:
    """Name, mask and frames of the loop of each photo."""
    for name, photo in photos:
        scene = model.scene(photo)
        scene.motion(speed=speed)
        cinemagraph = scene.animate(num_frames, warping=warping)
        yield name, cinemagraph.mask, cinemagraph.frames


def _written(
    model: StyleCineGAN, folder: Path, size: int | None
) -> Iterator[tuple[str, Tensor, Iterable[Tensor]]]:
    """Name, mask and frames of each video of a folder."""
    for file in _find_videos(folder):
        frames = [resize_photo(frame, size) for frame in io.read_video(file)]
        given = file.with_name(f"{file.stem}_mask.png")
        mask = (
            io.read_mask(given, size=(frames[0].shape[2], frames[0].shape[3]))
            if given.is_file()
            else model.segment(frames[0]).mask
        )
        yield file.stem, mask, frames


def _find_videos(folder: Path) -> list[Path]:
    """Finds videos and folders of frames in a folder, sorted by name.

    Raises:
        InputError: If there are none.
    """
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    suffixes = set(VIDEO_SUFFIXES) - {""}
    found = [
        entry
        for entry in entries
        if not entry.name.startswith(".")
        and (entry.suffix.lower() in suffixes or (entry.is_dir() and any(entry.glob("*.png"))))
    ]
    if not found:
        raise InputError(f"wanted videos or folders of frames in {folder}, found none")
    return found


def _measure(
    mask: Tensor, frames: Iterable[Tensor], lpips: LPIPS | None
) -> tuple[dict[str, float], list[Tensor]]:
    """Metrics of a loop, and its frames."""
    quality = LoopQuality(mask)
    distances: list[float] = []
    moving, static = (mask > 0.9).float(), (mask == 0).float()
    steps: list[float] = []
    errors: list[float] = []
    shown: list[Tensor] = []
    for frame in frames:
        quality.add(frame)
        if shown:
            steps.append(_difference(shown[-1], frame, moving))
            errors.append(_difference(shown[0], frame, static))
            if lpips is not None:
                distances.append(float(lpips(shown[-1], frame)))
        shown.append(frame)
    steps.append(_difference(shown[-1], shown[0], moving))
    motion = float(np.mean(steps))
    result = quality.result()
    is_static = motion < SMALLEST_MOTION
    figures = {title: float("nan") if is_static else result[key] for key, title in COLUMNS.items()}
    if lpips is not None:
        largest = max(distances)
        seam = float(lpips(shown[-1], shown[0])) / max(largest, 1e-9)
        figures["seam LPIPS"] = float("nan") if is_static else seam
    figures["static error"] = max(errors)
    figures["motion"] = motion
    return figures, shown


def _pictures(frames: Sequence[Tensor], mask: Tensor) -> list[Tensor]:
    """Frames at 0, 1/4, 1/2 and 3/4 of a loop, and over time the row with most of S."""
    row = int(mask[0, 0].sum(dim=1).argmax())
    quarters = [frames[len(frames) * k // 4] for k in range(4)]
    # Two loops, so that the seam is in the middle.
    over_time = torch.cat([frame[:, :, row : row + 1] for frame in (*frames, *frames)], dim=2)
    return [*quarters, F.interpolate(over_time, quarters[0].shape[2:])]


def _difference(a: Tensor, b: Tensor, region: Tensor) -> float:
    """Mean absolute difference over a region, in [0, 255]; 0 if the region is empty."""
    total = ((a - b).abs() * region).sum() / (3.0 * region.sum()).clamp(min=1.0)
    return float(total) * 127.5


def _means(measured: list[dict[str, float]]) -> dict[str, float]:
    """Means over the loops for which a metric is defined, and the worst values of some metrics."""
    means: dict[str, float] = {}
    for title in measured[0]:
        values = np.array([figures[title] for figures in measured])
        known = values[~np.isnan(values)]
        means[title] = float(known.mean()) if len(known) else float("nan")
        if title in ("detail kept", "least detail kept"):
            means[f"{title}, worst"] = float(known.min()) if len(known) else float("nan")
        elif title in ("step ratio", "seam LPIPS"):
            means[f"{title}, worst"] = float(known.max()) if len(known) else float("nan")
    return means
