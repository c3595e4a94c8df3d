"""Mask prediction for a photo (Sec. 3.2)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inputs import check_photo
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask.deep_features import compute_deep_features
from stylecinegan.mask.ensemble import MaskEnsemble, PixelClasses
from stylecinegan.mask.matting import CAUTION, matte
from stylecinegan.mask.refinement import refine
from stylecinegan.mask.segmentation import SKY_SIDE, combine, replace_sky, segment
from stylecinegan.threads import thread_pool

Region = Literal["both", "sky", "water"]

REGIONS: dict[str, tuple[int, ...]] = {"both": (1, 2), "sky": (1,), "water": (2,)}
"""Moving classes by region."""

ENCODER_SIDE = 256
"""Shorter side of the encoder's input, as in its training."""

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
    """Predicts the mask of a photo.

    The photo is inverted once more, at the resolution of the networks' training: sky and water are
    recognised by global context, and the refinement aligns the mask with the photo's edges.

    Args:
        ensemble: Classifiers of the generator's features.
        generator: The generator.
        encoder: Its encoder.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        region: Moving classes, a key of :data:`REGIONS`.
        segmenter: Segmentation network whose sky replaces the ensemble's; without one the
            ensemble alone decides, and its edges are refined more coarsely
            (:func:`~stylecinegan.mask.refinement.refine`).
        caution: How certain motion must be, in [0, 1]; see
            :func:`~stylecinegan.mask.matting.moving_threshold`.

    Returns:
        The mask, which may be zero everywhere (:func:`~stylecinegan.mask.refinement.check_cover`),
        and the classes.

    Raises:
        InputError: If the region is unknown or the photo has another shape.
    """
    if region not in REGIONS:
        raise InputError(f"region must be one of {', '.join(REGIONS)}, got {region}")
    check_photo(photo)
    classes = classify_pixels(ensemble, generator, encoder, photo, segmenter)
    probability = classes.probabilities[:, list(REGIONS[region])]
    if segmenter is None:
        return MaskPrediction(refine(probability.sum(dim=1, keepdim=True), photo), classes)
    evidence = classes.evidence
    mask = matte(
        probability,
        photo,
        water=classes.probabilities[:, 2:3] if 2 in REGIONS[region] else None,
        evidence=None if evidence is None else evidence[:, [kind - 1 for kind in REGIONS[region]]],
        caution=caution,
    )
    return MaskPrediction(mask, classes)


@torch.no_grad()
def classify_pixels(
    ensemble: MaskEnsemble,
    generator: Generator,
    encoder: FeatureStyleEncoder,
    photo: Tensor,
    segmenter: U2Net | None = None,
) -> PixelClasses:
    """Classifies the pixels of a photo at the working size.

    Without a segmentation network its shorter side is 256; with one it is 384x384, or 512x512 for
    large photos, and the ensemble classifies at half its resolution, because the network and the
    matting find the edges.

    Args:
        ensemble: Classifiers of the generator's features.
        generator: The generator.
        encoder: Its encoder.
        photo: ``[B, 3, H, W]`` in [-1, 1].
        segmenter: Segmentation network, if there is one.
    """
    scale = ENCODER_SIDE / min(photo.shape[2:])
    # Panoramas: the longer side is limited too.
    scale = min(scale, 4 * ENCODER_SIDE / max(photo.shape[2:]))
    height, width = (_round(side * scale) for side in photo.shape[2:])
    shrunken = photo.float()
    if (height, width) != tuple(photo.shape[2:]):
        # Stretched by at most 6 % to round the sides, so that no padding is needed.
        shrunken = F.interpolate(shrunken, (height, width), mode="bilinear", antialias=True)
    if segmenter is None:
        return ensemble(compute_deep_features(generator, encoder, shrunken), (height, width))
    kind = photo.device.type
    precision = torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)

    @torch.no_grad()
    def classify() -> PixelClasses:
        with torch.autocast(kind, *precision):  # which is the thread's own
            features = compute_deep_features(generator, encoder, shrunken)
            return ensemble(features, (height // 2, width // 2))

    # Concurrently, as the small layers of neither keep all cores busy.
    num_cores = max(1, torch.get_num_threads() // 2)
    with thread_pool(2, "classes", num_cores=num_cores) as pool:
        is_large = min(photo.shape[2:]) >= SKY_SIDE
        large = pool.submit(segment, segmenter, photo, SKY_SIDE) if is_large else None
        small, classified = pool.submit(segment, segmenter, photo), pool.submit(classify)
        segmented = small.result()
        if large is not None:
            segmented = replace_sky(segmented, large.result()[:, 1:2])
        return combine(classified.result(), segmented)


def _round(side: float) -> int:
    return max(SIDE_MULTIPLE, round(side / SIDE_MULTIPLE) * SIDE_MULTIPLE)
