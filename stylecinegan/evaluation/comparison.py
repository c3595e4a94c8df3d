"""Comparison with real frames: static consistency and motion quality (Sec. 4.1)."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from stylecinegan.backbones.lpips_trunks import Net
from stylecinegan.errors import InputError
from stylecinegan.framing import resize
from stylecinegan.metrics.perceptual import LPIPS, SqueezeNetDistance
from stylecinegan.metrics.pictures import MSSSIM, RMSE, PictureMetric, compare

logger = logging.getLogger(__name__)

Part = Literal["frame", "static", "motion"]
"""Region that is compared, and its reference.

``"frame"``: the whole frame, against the real one (Table 4). ``"motion"``: inside the mask, against
the real frame. ``"static"``: outside the mask, against frame 0 of the real clip.
"""

SMALLEST_REGION = 0.01
"""Area of the smallest region that is measured, as a fraction of the picture."""

BATCH_SIZE = 16


def make_metrics(
    side: int,
    squeezenet: str | Path | None = None,
    lpips: Net | None = "alex",
    lpips_trunk: str | Path | None = None,
) -> list[PictureMetric]:
    """Creates the metrics of a table.

    Args:
        side: Shorter side of the pictures; below 161 pixels MS-SSIM has a window of 7.
        squeezenet: ``.npz`` of SqueezeNet 1.0, for the distance of its features.
        lpips: Network of LPIPS; ``None`` leaves it out.
        lpips_trunk: File of its convolutions. By default it is looked up in torch's cache, and
            LPIPS is left out with a warning if it is missing there.

    Raises:
        InputError: If a given file cannot be used.
    """
    metrics: list[PictureMetric] = []
    if lpips is not None:
        try:
            metrics.append(LPIPS(lpips, trunk=lpips_trunk))
        except InputError as error:
            if lpips_trunk is not None:
                raise
            logger.warning("no LPIPS: %s", error)
    metrics += [RMSE(), MSSSIM(11 if side > 160 else 7)]
    if squeezenet is not None:
        metrics.append(SqueezeNetDistance(squeezenet))
    return metrics


@torch.no_grad()
def compare_frames(
    frames: Tensor,
    real: Tensor,
    mask: Tensor,
    metrics: Sequence[PictureMetric],
    parts: Sequence[Part],
) -> dict[str, float]:
    """Compares a method's frames with the real ones, on average over all frames but frame 0.

    Args:
        frames: Frames of the method, ``[T, 3, H, W]`` in [-1, 1].
        real: Real frames, likewise; frame 0 is the method's input.
        mask: S, ``[1, 1, H, W]``, the same for all methods.
        metrics: Metrics to compute.
        parts: Regions to compare.

    Returns:
        Means by ``"PART METRIC"`` or ``"PART METRIC (CONVENTION)"``. Parts whose region covers less
        than 1 % of the picture are left out.
    """
    moves = (mask > 0.5).float()
    figures: dict[str, float] = {}
    for part in parts:
        region = {"frame": None, "static": 1.0 - moves, "motion": moves}[part]
        if region is not None and float(region.mean()) < SMALLEST_REGION:
            continue
        expected = real[:1].expand_as(real) if part == "static" else real
        per_frame = compare_each(frames[1:], expected[1:], metrics, region)
        figures |= {f"{part} {name}": float(values.mean()) for name, values in per_frame.items()}
    return figures


@torch.no_grad()
def compare_each(
    frames: Tensor,
    expected: Tensor,
    metrics: Sequence[PictureMetric],
    region: Tensor | None = None,
) -> dict[str, Tensor]:
    """Compares frame by frame, in batches.

    Args:
        frames: ``[T, 3, H, W]`` in [-1, 1].
        expected: Likewise.
        metrics: Metrics to compute.
        region: Compared region, ``[1, 1, H, W]``; by default the whole picture.

    Returns:
        Values of all frames, ``[T]``, by the metric's name.
    """
    collected: dict[str, list[Tensor]] = {}
    for actual, wanted in zip(frames.split(BATCH_SIZE), expected.split(BATCH_SIZE), strict=True):
        where = None if region is None else region.expand(len(actual), -1, -1, -1)
        for name, values in compare(metrics, actual, wanted, where).items():
            collected.setdefault(name, []).append(values)
    return {name: torch.cat(values) for name, values in collected.items()}


def fit_size(images: Tensor, size: int | None) -> Tensor:
    """Resizes pictures to the size at which they are compared.

    Args:
        images: ``[T, 3, H, W]`` in [-1, 1].
        size: Longer side in pixels; ``None`` keeps the pictures' own.
    """
    if size is None or max(images.shape[2:]) == size:
        return images
    scale = size / max(images.shape[2:])
    height, width = (max(1, round(side * scale)) for side in images.shape[2:])
    return resize(images, (height, width)).clamp(-1.0, 1.0)
