"""Quality of predicted motion on real clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, visualization
from stylecinegan.data.real_motion import RealMotion
from stylecinegan.evaluation.report import Row
from stylecinegan.mask.prediction import MaskPrediction
from stylecinegan.metrics.motion_quality import angles, geometric_median, rank_correlation
from stylecinegan.motion.controls.controls import controlled_motion
from stylecinegan.motion.falls import find_falls
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.motion.prediction import predict_motion
from stylecinegan.motion.refinement import refine_motion
from stylecinegan.motion.regions import Regions, find_regions

END_POINT_ERROR, ANGLE, SPEED = "end-point error", "angle", "speed, rank correlation"
"""Columns of the table."""

CONFIDENT = 0.5
"""Confidence of the ground truth above which directions are evaluated."""

MOVING = 0.3
"""Speed of the ground truth above which directions are evaluated, relative to the typical speed."""

ARROW_LENGTH = 0.1
"""Length of the arrows, as a fraction of the longer side."""

ARROW_WINDOW = 15
"""Side of the window, in pixels, over which the motion of an arrow is averaged."""

BRUSH = 9
"""Side of the window, in pixels, by which the moving region is dilated, like a rough brush."""


@dataclass(frozen=True)
class Clip:
    """First frames of a held-out clip, with the model's predictions.

    Attributes:
        name: Name of the video.
        truth: Ground truth, see :meth:`~stylecinegan.data.real_motion.RealMotion.read`.
        prediction: Predicted mask and classes.
        motion: Predicted motion, ``[1, 2, H, W]``.
        from_photo: Motion predicted from the photo alone, without classes, ``[1, 2, H, W]``.
    """

    name: str
    truth: Mapping[str, Tensor]
    prediction: MaskPrediction
    motion: Tensor
    from_photo: Tensor

    @property
    def classes(self) -> Tensor:
        """Predicted classes, 0 static, 1 sky, 2 water, ``[H, W]``."""
        vote = self.prediction.classes.vote.float()
        return F.interpolate(vote, self.motion.shape[2:], mode="nearest-exact")[0, 0].long()


def predict_clips(model: StyleCineGAN, generator: MotionGenerator, clips: RealMotion) -> list[Clip]:
    """Predicts mask and motion of each clip from its first frame.

    Args:
        model: Predicts masks and classes.
        generator: The motion generator.
        clips: The clips, of which the first of each video is used.
    """
    result = []
    for video in tqdm(clips.videos, unit="clip"):
        truth = clips.read(video, 0)
        photo = truth["image"][None]
        prediction = model.segment(photo)
        # Predicted displacements grow with the photo's size, those of the ground truth do not:
        # clips of any size have a typical speed of 1, as in training.
        scale = generator.side / min(photo.shape[2:])
        motion = scale * predict_motion(generator, photo, prediction.classes.probabilities)
        from_photo = scale * predict_motion(generator, photo)
        result.append(Clip(video, truth, prediction, motion, from_photo))
    return result


def measure_clips(clips: Sequence[Clip]) -> tuple[list[Row], list[Row]]:
    """Measures the prediction, its variants and trivial baselines.

    Args:
        clips: Result of :func:`predict_clips`.

    Returns:
        Rows of the table, and one entry per variant and clip.
    """
    rows: list[Row] = []
    details: list[Row] = []
    for variant in _make_variants(clips):
        entries = [
            {"clip": clip.name, **_compare(clip, motion, variant.is_masked)}
            for clip, motion in zip(clips, variant.motions, strict=True)
            if motion is not None
        ]
        means = {
            column: float(np.nanmean([entry[column] for entry in entries]))
            for column in variant.columns
        }
        if ANGLE in variant.columns:
            means[f"{ANGLE}, median of clips"] = float(np.nanmedian([e[ANGLE] for e in entries]))
        rows.append({"row": variant.name, **means})
        details += [{"row": variant.name, **entry} for entry in entries]
    return rows, details


@dataclass(frozen=True)
class _Variant:
    """A way to predict motion.

    Attributes:
        name: Name of its row.
        motions: Motion of each clip, ``[1, 2, H, W]``; ``None`` where it is not defined.
        columns: Columns of its row.
        is_masked: Whether angles are measured only inside the predicted mask.
    """

    name: str
    motions: Sequence[Tensor | None]
    columns: tuple[str, ...] = (END_POINT_ERROR, ANGLE, SPEED)
    is_masked: bool = False


def _make_variants(clips: Sequence[Clip]) -> list[_Variant]:
    """The prediction, its variants and trivial baselines."""
    constants = _best_constants(clips)
    return [
        _Variant("no motion", [torch.zeros_like(c.motion) for c in clips], (END_POINT_ERROR,)),
        _Variant(
            "best constant per class",
            [constants[clip.classes].permute(2, 0, 1)[None] for clip in clips],
        ),
        _Variant("ours", [clip.motion for clip in clips]),
        _Variant(
            "ours, refined by the mask", [_refine(clip, clip.prediction.mask) for clip in clips]
        ),
        _Variant("ours, refined by a mask of what moves", [_refine_by_truth(c) for c in clips]),
        _Variant("ours, from the photo alone", [clip.from_photo for clip in clips]),
        _Variant(
            "ours, with an arrow a region",
            [_follow_arrows(clip) for clip in clips],
            (ANGLE, SPEED),  # arrows have no absolute speed
            is_masked=True,
        ),
    ]


def _refine(clip: Clip, mask: Tensor, painted: Tensor | None = None) -> Tensor:
    """Prediction refined by a mask; falls are also looked for in a ``painted`` one, if given."""
    classes = clip.prediction.classes
    falls = find_falls(clip.truth["image"][None], classes, painted)
    return refine_motion(clip.motion, mask, classes.probabilities, falls=falls)


def _refine_by_truth(clip: Clip) -> Tensor:
    """Prediction refined by the predicted mask, completed where the clip moves."""
    confident = clip.truth["confidence"] > CONFIDENT
    moves = (confident & (clip.truth["motion"].norm(dim=0) > MOVING)).float()[None]
    # As if painted by hand: without small components, and slightly too wide.
    painted = F.max_pool2d((_local_mean(moves[0]) > 0.5).float(), BRUSH, 1, BRUSH // 2)
    mask = torch.maximum(clip.prediction.mask, painted)
    return _refine(clip, mask, painted=mask)


def _compare(clip: Clip, motion: Tensor, is_masked: bool) -> dict[str, float]:
    """Metrics of a motion on a clip; ``is_masked`` restricts angles to the predicted mask."""
    truth, confidence = clip.truth["motion"], clip.truth["confidence"][0]
    error = (motion[0] - truth).norm(dim=0)
    moves = (confidence > CONFIDENT) & (truth.norm(dim=0) > MOVING)
    if is_masked:
        moves &= clip.prediction.mask[0, 0] > 0.5
    deviation = angles(motion[0][:, moves], truth[:, moves])
    inside = (confidence > CONFIDENT) & (clip.prediction.mask[0, 0] > 0.5)
    speeds = (vectors.norm(dim=0)[inside] for vectors in (motion[0], truth))
    return {
        END_POINT_ERROR: float((error * confidence).sum() / confidence.sum()),
        ANGLE: float(deviation.median()) if len(deviation) else float("nan"),
        SPEED: rank_correlation(*speeds) if inside.any() else float("nan"),
    }


def _best_constants(clips: Sequence[Clip]) -> Tensor:
    """Constant motion of each class, ``[3, 2]``, with the least mean end-point error."""
    vectors = torch.cat([clip.truth["motion"].flatten(1) for clip in clips], dim=1)
    # Clips are weighted equally, as in the table's means.
    weights = torch.cat([(c := clip.truth["confidence"].flatten()) / c.sum() for clip in clips])
    classes = torch.cat([clip.classes.flatten() for clip in clips])
    constants = torch.zeros(3, 2)
    for number in range(3):
        weight = weights * (classes == number)
        if bool(weight.any()):
            constants[number] = geometric_median(vectors, weight)
    return constants


def _follow_arrows(clip: Clip) -> Tensor | None:
    """Prediction rotated by one arrow per region; ``None`` without regions."""
    if not bool((clip.prediction.mask > 0.5).any()):
        return None
    vote = clip.prediction.classes.vote.float()
    regions = find_regions(clip.prediction.mask, vote)
    arrows = [
        arrow
        for number in range(len(regions.kinds))
        if (arrow := _draw_arrow(clip, regions, number)) is not None
    ]
    return controlled_motion(clip.motion, clip.prediction.mask, vote, arrows=arrows, speed=None)


def _draw_arrow(clip: Clip, regions: Regions, number: int) -> list[float] | None:
    """Arrow [x0, y0, x1, y1] of a region's local mean motion, in pixels; ``None`` if it is static.

    Its middle is the moving pixel nearest to the region's centre of motion.
    """
    truth, confidence = clip.truth["motion"], clip.truth["confidence"]
    speed = truth.norm(dim=0)
    weight = confidence[0] * speed * ((regions.number == number) & regions.moves)
    moves = weight * (speed > MOVING)
    if not bool(moves.any()):
        return None
    rows, columns = moves.nonzero(as_tuple=True)
    shares = moves[rows, columns] / moves.sum()
    middle_row, middle_column = (rows * shares).sum(), (columns * shares).sum()
    nearest = int(((rows - middle_row) ** 2 + (columns - middle_column) ** 2).argmin())
    row, column = int(rows[nearest]), int(columns[nearest])
    x, y = _local_mean(truth * weight)[:, row, column].tolist()
    length = ARROW_LENGTH * max(speed.shape) / 2.0 / max(float(np.hypot(x, y)), 1e-9)
    x, y = x * length, y * length
    return [column + 0.5 - x, row + 0.5 - y, column + 0.5 + x, row + 0.5 + y]


def _local_mean(field: Tensor) -> Tensor:
    """Mean over :data:`ARROW_WINDOW` pixels around each pixel, of ``[C, H, W]``."""
    return F.avg_pool2d(field[None], ARROW_WINDOW, stride=1, padding=ARROW_WINDOW // 2)[0]


def show_clip(clip: Clip) -> list[Tensor]:
    """Pictures of a clip: photo, ground truth times its confidence, and prediction.

    Returns:
        Three pictures, ``[1, 3, H, W]`` in [-1, 1].
    """
    truth = (clip.truth["motion"] * clip.truth["confidence"])[None]
    shown = (visualization.motion_to_image(m, max_speed=1.5) for m in (truth, clip.motion))
    return [clip.truth["image"][None], *shown]
