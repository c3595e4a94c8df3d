"""Quality of predicted masks on real clips, by the clips' motion."""

from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN
from stylecinegan.data.motion_pairs import MotionPairs
from stylecinegan.data.real_motion import typical_speed, video_of
from stylecinegan.evaluation.report import Row

CERTAIN = 0.5
"""Confidence of the optical flow above which a pixel is evaluated."""

MOVING, STATIC = 0.3, 0.05
"""Shares of a clip's typical speed above which a pixel moves and below which it is static."""


def measure_clip_masks(model: StyleCineGAN, folder: str | Path) -> tuple[Row, list[Row]]:
    """Measures the masks of the clips' first frames.

    Args:
        model: The model.
        folder: Written by ``prepare_data.py task=motion``; the first clip of each video is used.

    Returns:
        Means over the videos, and the values of every video: ``moving covered`` is the recall of
        moving pixels, ``static left`` the recall of static ones, by the mask at 0.5 against the
        optical flow. A video without moving or static pixels has no value.
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
        certain = pair["confidence"][0] > CERTAIN
        shares = {
            "moving covered": _share(moves, certain & (speed > MOVING)),
            "static left": _share(~moves, certain & (speed < STATIC)),
        }
        entries.append({"clip": video, **{k: v for k, v in shares.items() if v is not None}})
    means: Row = {}
    for column in ("moving covered", "static left"):
        found = [float(entry[column]) for entry in entries if column in entry]
        if found:
            means[column] = sum(found) / len(found)
    return means, entries


def _share(region: Tensor, of: Tensor) -> float | None:
    total = int(of.sum())
    return int((region & of).sum()) / total if total else None
