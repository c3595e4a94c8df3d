"""Table of the quality of predicted motion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, checkpoints, io, visualization
from stylecinegan.data.real_motion import RealMotion
from stylecinegan.evaluation.motion_clips import measure_clips, predict_clips, show_clip
from stylecinegan.evaluation.photos import Photos
from stylecinegan.evaluation.report import Row, Table
from stylecinegan.importers.released_motion import load_motion_generator
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
    - "With an arrow": one arrow at the centre of motion of each region of the predicted mask;
      angles inside the mask only.

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
        sheet = []
        sample_rows, sample_details = _measure_samples(model, generator, samples, sheet)
        rows += sample_rows
        details += sample_details
        _write_sheet(output_dir / "samples.png", sheet)
    return Table("Predicted motion", rows, details=details)


def _measure_samples(
    model: StyleCineGAN, generator: MotionGenerator, photos: Photos, sheet: list[Tensor]
) -> tuple[list[Row], list[Row]]:
    details: list[Row] = []
    pooled: dict[str, list[Tensor]] = {}
    for name, photo in tqdm(photos, unit="photo"):
        theirs = io.read_motion(photos.beside(name, "_motion.npy"))
        size = (theirs.shape[2], theirs.shape[3])
        photo = F.interpolate(photo, size, mode="bilinear", antialias=True)
        mask = io.read_mask(photos.beside(name, "_mask.png"), size=size)
        classes = model.segment(photo).classes
        vote = classes.vote.float()
        regions = find_regions(mask, vote)
        variants = {
            "everything to the right": directed_motion("right", mask, vote),
            "ours": predict_motion(generator, photo, classes.probabilities),
            "ours, from the photo alone": predict_motion(generator, photo),
        }
        # As in StyleCineGAN.predict_motion, only "ours" is refined by classes.
        refinements = {row: refine_motion(motion, mask) for row, motion in variants.items()}
        falls = find_falls(photo, classes, mask)
        refinements["ours"] = refine_motion(
            variants["ours"], mask, classes.probabilities, falls=falls
        )
        for row, motion in variants.items():
            refined = refinements[row]
            signed = with_sign_of(motion[0], theirs[0], regions.number)
            found = angles(signed[:, regions.moves], theirs[0][:, regions.moves])
            pooled.setdefault(row, []).append(found)
            speeds = (m[0].norm(dim=0)[regions.moves] for m in (refined, theirs))
            details.append(
                {
                    "row": f"{row}, authors' motion",
                    "photo": name,
                    "angle": float(found.median()),
                    "speed": rank_correlation(*speeds),
                }
            )
        sheet += [photo, *_colour(theirs * mask, refinements["ours"])]
    rows: list[Row] = []
    for row, found in pooled.items():
        title = f"{row}, authors' motion"
        speeds = [float(entry["speed"]) for entry in details if entry["row"] == title]
        rows.append(
            {
                "row": title,
                "angle": float(torch.cat(found).median()),
                "speed, rank correlation": float(np.mean(speeds)),
            }
        )
    return rows, details


def _colour(*motions: Tensor) -> list[Tensor]:
    return [visualization.motion_to_image(motion, use_legend=True) for motion in motions]


def _write_sheet(path: Path, pictures: Sequence[Tensor]) -> None:
    io.write_image(path, visualization.contact_sheet(pictures, 6, cell=(224, 224)))
