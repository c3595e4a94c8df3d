"""Table of the quality of predicted masks."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, checkpoints, io, visualization
from stylecinegan.data.annotations import AnnotatedLandscapes
from stylecinegan.evaluation.mask_clips import measure_clip_masks
from stylecinegan.evaluation.mask_composites import measure_composites
from stylecinegan.evaluation.photos import Photos
from stylecinegan.evaluation.report import Row, Table
from stylecinegan.io import from_uint8
from stylecinegan.mask import MaskEnsemble
from stylecinegan.metrics.mask_quality import TOLERANCE, Overlap, boundary_f_score, measure_masks

NUM_SHOWN = 24
"""Largest number of labelled photos on a contact sheet."""

GREEN = (-0.6, 0.9, -0.6)


@torch.no_grad()
def measure_mask(
    model: StyleCineGAN,
    output_dir: Path,
    *,
    labelled: AnnotatedLandscapes | None = None,
    ensembles: Mapping[str, str | Path | None] | None = None,
    drawn: Photos | None = None,
    composited: Photos | None = None,
    clips: str | Path | None = None,
) -> Table:
    """Measures predicted masks against labels, drawn masks, composited objects and real clips.

    IoU of sky and of water are those of the classes before refinement. IoU and boundary F-score
    (tolerance 3 pixels at a shorter side of 256) of the moving region are those of the mask at 0.5,
    refined and unrefined. Drawn masks are the best reference for edges; labels made by a network
    are some pixels off.

    Args:
        model: The model; its ensemble is the default.
        output_dir: Folder of ``masks.png``: photo, ground truth in green, prediction in red.
        labelled: Photos with labels, held out from training, measured at their own size.
        ensembles: Files of the ensembles to measure by row name; ``None`` is the model's own, whose
            segmentation network is then used too.
        drawn: Photos with masks ``NAME_mask.png`` beside them.
        composited: Photos onto which static objects are composited; some of them are written to
            ``composites.png`` with the predicted masks in red.
        clips: Folder of real clips that ``prepare_data.py task=motion`` wrote.

    Returns:
        The table, with a row for each ensemble and kind of ground truth.
    """
    rows: list[Row] = []
    details: list[Row] = []
    sheet: list[Tensor] = []
    for name, file in (ensembles or {"default": None}).items():
        measured = _with_ensemble(model, file)
        sheet = []  # the last ensemble's masks are shown
        if labelled is not None:
            figures, pictures = _measure_labelled(measured, labelled)
            rows.append({"row": name, **figures})
            sheet += pictures
        if drawn is not None:
            row = f"{name}, drawn masks"
            figures, entries, pictures = _measure_drawn(measured, drawn)
            rows.append({"row": row, **figures})
            details += [{"row": row, **entry} for entry in entries]
            sheet += pictures
        if composited is not None:
            figures, composites = measure_composites(measured, composited)
            rows.append({"row": f"{name}, composited objects", **figures})
            pictures = [visualization.overlay_mask(*pair) for pair in composites]
            _write_sheet(output_dir / "composites.png", pictures, columns=4)
        if clips is not None:
            row = f"{name}, real clips"
            figures, entries = measure_clip_masks(measured, clips)
            rows.append({"row": row, **figures})
            details += [{"row": row, **entry} for entry in entries]
    if sheet:
        _write_sheet(output_dir / "masks.png", sheet, columns=6)
    return Table("Predicted masks", rows, details=details)


def _write_sheet(path: Path, pictures: list[Tensor], *, columns: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write_image(path, visualization.contact_sheet(pictures, columns, cell=(256, 256)))


def _with_ensemble(model: StyleCineGAN, file: str | Path | None) -> StyleCineGAN:
    """The model with the mask ensemble of a file, and without its segmentation network."""
    if file is None:
        return model
    ensemble = checkpoints.load(file, MaskEnsemble)
    return StyleCineGAN(model.generator, model.encoder, ensemble, precision=model.precision).eval()


def _measure_labelled(
    model: StyleCineGAN, labelled: AnnotatedLandscapes
) -> tuple[dict[str, float], list[Tensor]]:
    """Measures predictions against labels; returns the metrics, and pictures of some photos."""
    pairs = (_read(labelled, index) for index in tqdm(range(len(labelled)), unit="photo"))
    shown: list[tuple[Tensor, Tensor]] = []

    def predict(photo: Tensor) -> tuple[Tensor, Tensor]:
        classes, mask = _predict(model, photo)
        if len(shown) < NUM_SHOWN:
            shown.append((photo, mask))
        return classes, mask

    measured = measure_masks(pairs, predict)
    figures = {
        "IoU sky": measured["iou_sky"],
        "IoU water": measured["iou_water"],
        "IoU moving": measured["iou_moving"],
        "IoU moving, unrefined": measured["iou_moving_unrefined"],
        "boundary F": measured["boundary"],
        "boundary F, unrefined": measured["boundary_unrefined"],
    }
    pictures: list[Tensor] = []
    for index, (photo, mask) in enumerate(shown):
        wanted = (_read(labelled, index)[1] > 0).float()[None, None]
        pictures += _overlays(photo, wanted, mask)
    return figures, pictures


def _measure_drawn(
    model: StyleCineGAN, photos: Photos
) -> tuple[dict[str, float], list[dict[str, str | float]], list[Tensor]]:
    """Measures predictions against the masks beside the photos.

    Returns:
        Metrics, with the IoU over the pixels of all photos; an entry per photo; and pictures.
    """
    overlap, unrefined = Overlap(), Overlap()
    entries: list[dict[str, str | float]] = []
    pictures: list[Tensor] = []
    for name, photo in tqdm(photos, unit="photo"):
        size = (photo.shape[2], photo.shape[3])
        wanted = io.read_mask(photos.beside(name, "_mask.png"), size=size)
        classes, mask = _predict(model, photo)
        moves, moves_unrefined, truth = mask[0, 0] > 0.5, classes > 0, wanted[0, 0] > 0.5
        overlap.add(moves, truth)
        unrefined.add(moves_unrefined, truth)
        alone = Overlap()
        alone.add(moves, truth)
        tolerance = TOLERANCE * min(size) / 256
        entries.append(
            {
                "photo": name,
                "IoU moving": alone.result(),
                "boundary F": boundary_f_score(moves, truth, tolerance),
                "boundary F, unrefined": boundary_f_score(moves_unrefined, truth, tolerance),
            }
        )
        pictures += _overlays(photo, wanted, mask)
    figures = {"IoU moving": overlap.result(), "IoU moving, unrefined": unrefined.result()}
    for column in ("boundary F", "boundary F, unrefined"):
        figures[column] = float(np.mean([float(entry[column]) for entry in entries]))
    return figures, entries, pictures


def _predict(model: StyleCineGAN, photo: Tensor) -> tuple[Tensor, Tensor]:
    """Classes before refinement, ``[H, W]``, and the refined mask, ``[1, 1, H, W]``."""
    prediction = model.segment(photo)
    # The ensemble classifies at one size, independent of the photo's.
    vote = F.interpolate(prediction.classes.vote.float(), photo.shape[2:], mode="nearest-exact")
    return vote[0, 0].long(), prediction.mask


def _read(labelled: AnnotatedLandscapes, index: int) -> tuple[Tensor, Tensor]:
    """Photo, ``[1, 3, H, W]``, and classes, ``[H, W]``."""
    photo, label = labelled.read(index)
    return from_uint8(np.array(photo)), torch.from_numpy(np.array(label)).long()


def _overlays(photo: Tensor, wanted: Tensor, mask: Tensor) -> list[Tensor]:
    """The photo, with the ground truth in green, and with the prediction in red."""
    return [
        photo,
        visualization.overlay_mask(photo, wanted, colour=GREEN),
        visualization.overlay_mask(photo, mask),
    ]
