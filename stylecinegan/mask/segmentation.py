"""A segmentation network beside the ensemble: skies at the photo's own edges."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.io import load_opencv
from stylecinegan.mask.ensemble import PixelClasses

SIDE = 384
"""Side of the square that a photo is squeezed to, as in the network's training."""

LONGEST_ASPECT = 1.6
"""Photos longer than this keep the aspect beyond it."""

WATER_WEIGHT, WATER_OFFSET, SHARPNESS = 0.4, 0.85, 4.0
"""Weight of the network's opinion on water, and what the logit of water must exceed: chosen on 86
photos with hand-marked water that neither was trained on, and 26 others."""

LEAST_FALLING, LEAST_PEAK = 0.2, 0.5
"""Probability of falling water at the edge of a fall, and somewhere in it."""


@torch.no_grad()
def segment(network: U2Net, photo: Tensor) -> Tensor:
    """Probabilities of static, sky, water and, by a network of four classes, falling water.

    Averaging with the mirrored photo costs 0.4 s and changes no measured number.

    Args:
        network: The segmentation network.
        photo: ``[B, 3, H, W]`` in [-1, 1], any size and aspect.

    Returns:
        ``[B, classes, h, w]``.
    """
    height, width = photo.shape[2:]
    sides = [SIDE, SIDE]
    excess = max(height, width) / min(height, width) / LONGEST_ASPECT
    if excess > 1.0:
        sides[int(width > height)] = round(min(excess, 4.0) * SIDE / 32) * 32
    # In full precision: bfloat16 moves edges.
    with torch.autocast(photo.device.type, enabled=False):
        image = F.interpolate(photo.float(), sides, mode="bilinear", antialias=True)
        return network(image).softmax(dim=1)


def combine(classes: PixelClasses, segmented: Tensor) -> PixelClasses:
    """Combines the ensemble's water with the segmentation network's sky.

    With s the network's probability of sky, n its share of water (falling or not) in what is not
    sky, and w the ensemble's probability of water, the combined probabilities are s for sky,
    (1 - s) v for water with

        logit v = 4 (logit w + 0.4 logit n - 0.85),

    and the rest for static: the ensemble recognises water better, and an error of either is rarely
    one of both. The factor keeps the matting from breaking up certain water by its colours.
    In falling water, of which the ensemble takes parts for rock, water is 1 - s
    (:func:`find_falling`) if the ensemble's mean there is at least 0.5: snow and roads look alike
    to the network.

    Args:
        classes: Of the ensemble, at any size.
        segmented: Of :func:`segment`, ``[B, 3 or 4, h, w]``.

    Returns:
        Classes of the size of ``segmented``; their confidence is the largest probability.
    """
    size = segmented.shape[2:]
    known = F.interpolate(classes.probabilities.float(), size, mode="bilinear")
    sky = segmented[:, 1:2]
    share = segmented[:, 2:].sum(dim=1, keepdim=True) / (1.0 - sky).clamp(min=1e-3)
    logit = known[:, 2:3].logit(0.005) + WATER_WEIGHT * share.logit(0.05) - WATER_OFFSET
    water = (1.0 - sky) * (SHARPNESS * logit).sigmoid()
    falling = segmented[:, 3:] if segmented.shape[1] > 3 else None
    if falling is not None:
        water = torch.where(find_falling(falling, known[:, 2:3]), 1.0 - sky, water)
    probabilities = torch.cat([1.0 - sky - water, sky, water], dim=1)
    confidence, vote = probabilities.max(dim=1, keepdim=True)
    return PixelClasses(probabilities, vote, confidence, falling)


def find_falling(probability: Tensor, water: Tensor | None = None) -> Tensor:
    """Finds falling water by a threshold with hysteresis.

    Of all pixels few fall, and the network gives falls less than they deserve.

    Args:
        probability: Of falling water, ``[B, 1, h, w]``.
        water: Probability of water by other means, ``[B, 1, h, w]``; places where its mean is
            under 0.5 are left out.

    Returns:
        Whether a pixel is in a connected place over :data:`LEAST_FALLING` that holds more than
        :data:`LEAST_PEAK`, boolean ``[B, 1, h, w]``.
    """
    cv2 = load_opencv()
    result = []
    waters = np.ones(len(probability)) if water is None else water[:, 0].float().cpu().numpy()
    for values, known in zip(probability[:, 0].float().cpu().numpy(), waters, strict=True):
        count, number = cv2.connectedComponents((values > LEAST_FALLING).astype(np.uint8))
        weights = np.broadcast_to(known, number.shape).ravel()
        area = np.bincount(number.ravel(), minlength=count)
        mean = np.bincount(number.ravel(), weights, count) / np.maximum(area, 1)
        peaks = np.unique(number[values > LEAST_PEAK])
        result.append(np.isin(number, [part for part in peaks if part and mean[part] >= 0.5]))
    return torch.from_numpy(np.stack(result))[:, None].to(probability.device)
