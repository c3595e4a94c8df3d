"""Quality of predicted masks on real clips, measured by optical flow."""

from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN
from stylecinegan.data.motion_pairs import MotionPairs
from stylecinegan.data.real_motion import typical_speed, video_of
from stylecinegan.evaluation.report import Row

CONFIDENT = 0.5
"""Confidence of the optical flow above which a pixel is evaluated."""

MOVING, STATIC = 0.3, 0.05
"""Speeds, relative to a clip's typical one, above which pixels move and below which they do not."""


def measure_clip_masks(model: StyleCineGAN, folder: str | Path) -> tuple[Row, list[Row]]:
    """Measures the predicted masks of the clips' first frames.

    Args:
        model: The model.
        folder: Written by ``prepare_data.py task=motion``; the first clip of each video is used.

    Returns:
        Means over the videos, and the values of every video: ``moving covered``, the recall of
        pixels that move by the optical flow, and ``static left``, that of static ones. The mask is
        thresholded at 0.5. Videos without moving or static pixels have no such value.
    """
    pairs = MotionPairs(folder)
    entries: list[Row] = []
    seen: set[str] = set()
    for index, name in enumerate(tqdm(pairs.names, unit="clip")):
        video = video_of(name)
        if video in seen:
            continue
        seen.add(video)
        pair = pairs[index]
        moves = model.segment(pair["image"][None]).mask[0, 0] > 0.5
        speed = pair["motion"].norm(dim=0) / typical_speed(pair["motion"], pair["confidence"])
        confident = pair["confidence"][0] > CONFIDENT
        recalls = {
            "moving covered": _recall(moves, confident & (speed > MOVING)),
            "static left": _recall(~moves, confident & (speed < STATIC)),
        }
        entries.append({"clip": video, **{k: v for k, v in recalls.items() if v is not None}})
    means: Row = {}
    for column in ("moving covered", "static left"):
        found = [float(entry[column]) for entry in entries if column in entry]
        if found:
            means[column] = sum(found) / len(found)
    return means, entries


def _recall(predicted: Tensor, actual: Tensor) -> float | None:
    """Recall of boolean maps; ``None`` without actual positives."""
    total = int(actual.sum())
    return int((predicted & actual).sum()) / total if total else None
