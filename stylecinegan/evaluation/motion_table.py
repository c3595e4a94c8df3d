"""Table of the quality of predicted motion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, checkpoints, io, visualization
from stylecinegan.data.real_motion import RealMotion
from stylecinegan.evaluation.motion_clips import (
    ANGLE,
    SPEED,
    measure_clips,
    predict_clips,
    show_clip,
)
from stylecinegan.evaluation.photos import Photos
from stylecinegan.evaluation.report import Row, Table
from stylecinegan.framing import resize
from stylecinegan.importers.released_motion import load_motion_generator
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.metrics.motion_quality import angles, rank_correlation, with_sign_of
from stylecinegan.motion.controls.controls import directed_motion
from stylecinegan.motion.falls import find_falls
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.motion.prediction import predict_motion
from stylecinegan.motion.refinement import refine_motion
from stylecinegan.motion.regions import find_regions


@torch.no_grad()
def measure_motion(
    model: StyleCineGAN,
    output_dir: Path,
    *,
    weights: str | Path | None = None,
    clips: RealMotion | None = None,
    samples: Photos | None = None,
) -> Table:
    """Measures predicted motion against real clips and against the authors' motion.

    Of each video one clip is used. Its ground truth is divided by its typical speed
    (:func:`~stylecinegan.data.real_motion.typical_speed`) and mirrored to lead to the right, as in
    training; predictions are not rescaled.

    - End-point error: mean over the confident pixels of a clip, weighted by their confidence.
    - Angle: median over confident moving pixels; a zero prediction counts as 90 degrees.
    - Speed: Spearman's rank correlation over confident pixels inside the predicted mask.
    - Trivial baselines: no motion, and for each predicted class the constant motion with the least
      error on these very clips (an oracle).
    - "A mask of what moves": the predicted mask, completed by the moving pixels of the clip, as a
      user would paint it.
    - "With an arrow a region": one arrow at the centre of motion of each region of the predicted
      mask; angles inside the mask only.

    The authors' motion is compared inside their mask: by the median angle over the pixels of all
    pictures, with each region reversed if that fits better, and by Spearman's rank correlation of
    the refined speeds, averaged over the pictures.

    Args:
        model: Predicts masks and classes.
        output_dir: Folder of ``clips.png`` and ``samples.png`` (photo, ground truth, ours).
        weights: The motion generator, ours or a released one; by default the project's.
        clips: The held-out clips.
        samples: Photos with the authors' ``NAME_mask.png`` and ``NAME_motion.npy`` beside them.
    """
    generator = load_motion_generator(weights or checkpoints.CHECKPOINTS_DIR / "motion.safetensors")
    output_dir.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    details: list[Row] = []
    if clips is not None:
        predicted = predict_clips(model, generator, clips)
        clip_rows, clip_details = measure_clips(predicted)
        rows += clip_rows
        details += clip_details
        sheet = [picture for clip in predicted for picture in show_clip(clip)]
        _write_sheet(output_dir / "clips.png", sheet)
    if samples is not None:
        sample_rows, sample_details, sheet = _measure_samples(model, generator, samples)
        rows += sample_rows
        details += sample_details
        _write_sheet(output_dir / "samples.png", sheet)
    return Table("Predicted motion", rows, details=details)


def _measure_samples(
    model: StyleCineGAN, generator: MotionGenerator, photos: Photos
) -> tuple[list[Row], list[Row], list[Tensor]]:
    """Rows of the table, one entry per variant and photo, and pictures for the sheet."""
    details: list[Row] = []
    pooled: dict[str, list[Tensor]] = {}
    pictures: list[Tensor] = []
    for name, photo in tqdm(photos, unit="photo"):
        theirs = io.read_motion(photos.beside(name, "_motion.npy"))
        size = (theirs.shape[2], theirs.shape[3])
        photo = resize(photo, size)
        mask = io.read_mask(photos.beside(name, "_mask.png"), size=size)
        classes = model.segment(photo).classes
        regions = find_regions(mask, classes.vote.float())
        variants = _predict_variants(generator, photo, mask, classes)
        for variant, (motion, refined) in variants.items():
            row = f"{variant}, authors' motion"
            signed = with_sign_of(motion[0], theirs[0], regions.number)
            deviation = angles(signed[:, regions.moves], theirs[0][:, regions.moves])
            speeds = (m[0].norm(dim=0)[regions.moves] for m in (refined, theirs))
            pooled.setdefault(row, []).append(deviation)
            figures = {ANGLE: float(deviation.median()), SPEED: rank_correlation(*speeds)}
            details.append({"row": row, "photo": name, **figures})
        pictures += [photo, *_colour(theirs * mask, variants["ours"][1])]
    rows: list[Row] = []
    for row, deviations in pooled.items():
        speeds = [float(entry[SPEED]) for entry in details if entry["row"] == row]
        angle = float(torch.cat(deviations).median())
        rows.append({"row": row, ANGLE: angle, SPEED: float(np.mean(speeds))})
    return rows, details, pictures


def _predict_variants(
    generator: MotionGenerator, photo: Tensor, mask: Tensor, classes: PixelClasses
) -> dict[str, tuple[Tensor, Tensor]]:
    """Predicted and refined motion, ``[1, 2, H, W]`` each, by variant."""
    rightward = directed_motion("right", mask, classes.vote.float())
    ours = predict_motion(generator, photo, classes.probabilities)
    from_photo = predict_motion(generator, photo)
    falls = find_falls(photo, classes, mask)
    # As in StyleCineGAN.predict_motion, only "ours" is refined by classes.
    return {
        "everything to the right": (rightward, refine_motion(rightward, mask)),
        "ours": (ours, refine_motion(ours, mask, classes.probabilities, falls=falls)),
        "ours, from the photo alone": (from_photo, refine_motion(from_photo, mask)),
    }


def _colour(*motions: Tensor) -> list[Tensor]:
    """Motions in the colours of the wheel, with its legend."""
    return [visualization.motion_to_image(motion, use_legend=True) for motion in motions]


def _write_sheet(path: Path, pictures: Sequence[Tensor]) -> None:
    io.write_image(path, visualization.contact_sheet(pictures, 6, cell=(224, 224)))
