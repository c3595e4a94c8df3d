"""The mask of a photo, automatically (Sec. 3.2)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask.deep_features import compute_deep_features
from stylecinegan.mask.ensemble import MaskEnsemble, PixelClasses
from stylecinegan.mask.matting import CAUTION, matte
from stylecinegan.mask.refinement import refine
from stylecinegan.mask.segmentation import combine, segment

Region = Literal["both", "sky", "water"]

REGIONS: dict[str, tuple[int, ...]] = {"both": (1, 2), "sky": (1,), "water": (2,)}
"""Classes that move, by the region that is asked for."""

ENCODER_SIDE = 256
"""Shorter side of the photo as the encoder sees it: that of its training pictures."""

SIDE_MULTIPLE = 32


@dataclass(frozen=True)
class MaskPrediction:
    """A predicted mask.

    Attributes:
        mask: S, ``[1, 1, H, W]`` in [0, 1], refined.
        classes: Classes of the pixels, at the working size.
    """

    mask: Tensor
    classes: PixelClasses


@torch.no_grad()
def predict_mask(
    ensemble: MaskEnsemble,
    generator: Generator,
    encoder: FeatureStyleEncoder,
    photo: Tensor,
    region: Region = "both",
    *,
    segmenter: U2Net | None = None,
    caution: float = CAUTION,
) -> MaskPrediction:
    """Predicts what moves in a photo.

    The photo is inverted once more, shrunk to the size that the networks were trained at: what is
    sky is a matter of the whole picture, which a small one shows them, and the refinement brings
    the photo's own edges back.

    Args:
        ensemble: Classifiers of the generator's features.
        generator: The generator.
        encoder: Its encoder.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        region: What may move.
        segmenter: Segmentation network whose sky replaces the ensemble's; without one the
            ensemble alone decides, and its edges are refined more coarsely
            (:func:`~stylecinegan.mask.refinement.refine`).
        caution: How certain motion must be, in [0, 1]; see
            :func:`~stylecinegan.mask.matting.moving_threshold`.

    Returns:
        The mask, which may be zero everywhere (:func:`~stylecinegan.mask.refinement.check_cover`),
        and the classes.

    Raises:
        InputError: If the region is unknown or the photo is no photo.
    """
    if region not in REGIONS:
        raise InputError(f"region must be one of {', '.join(REGIONS)}, got {region}")
    if photo.ndim != 4 or photo.shape[:2] != (1, 3):
        raise InputError(f"a photo must be [1, 3, H, W], got {list(photo.shape)}")
    classes = classify_pixels(ensemble, generator, encoder, photo, segmenter)
    probability = classes.probabilities[:, list(REGIONS[region])]
    if segmenter is None:
        return MaskPrediction(refine(probability.sum(dim=1, keepdim=True), photo), classes)
    return MaskPrediction(matte(probability, photo, caution=caution), classes)


@torch.no_grad()
def classify_pixels(
    ensemble: MaskEnsemble,
    generator: Generator,
    encoder: FeatureStyleEncoder,
    photo: Tensor,
    segmenter: U2Net | None = None,
) -> PixelClasses:
    """Classifies the pixels of a photo at the working size.

    It is that of a shorter side of 256 for the ensemble, and 384x384 with a segmentation network:
    the ensemble is then asked for every second pixel only, because the network and the matting
    find the edges.

    Args:
        ensemble: Classifiers of the generator's features.
        generator: The generator.
        encoder: Its encoder.
        photo: ``[B, 3, H, W]`` in [-1, 1].
        segmenter: Segmentation network, if there is one.
    """
    scale = ENCODER_SIDE / min(photo.shape[2:])
    # A long panorama is not worth more pixels than four squares.
    scale = min(scale, 4 * ENCODER_SIDE / max(photo.shape[2:]))
    height, width = (_round(side * scale) for side in photo.shape[2:])
    shrunken = photo.float()
    if (height, width) != tuple(photo.shape[2:]):
        # The sides are rounded by stretching: by at most 6 %, and no border is invented.
        shrunken = F.interpolate(shrunken, (height, width), mode="bilinear", antialias=True)
    if segmenter is None:
        return ensemble(compute_deep_features(generator, encoder, shrunken), (height, width))
    # Side by side: neither keeps all cores busy in its many small layers.
    with ThreadPoolExecutor(1, thread_name_prefix="segmentation") as beside:
        segmented = beside.submit(segment, segmenter, photo)
        features = compute_deep_features(generator, encoder, shrunken)
        classes = ensemble(features, (height // 2, width // 2))
    return combine(classes, segmented.result())


def _round(side: float) -> int:
    return max(SIDE_MULTIPLE, round(side / SIDE_MULTIPLE) * SIDE_MULTIPLE)
