"""Segmentation network that complements the ensemble with precise edges of the sky."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.water_regions import (
    COARSE_DIPS,
    FINE_DIPS,
    find_dips,
    find_falling,
    find_holes,
    find_small_water,
    find_water,
)

SIDE = 384
"""Side of the square that a photo is resized to, as in the network's training."""

SKY_SIDE = 512
"""Side of the square for the sky of photos whose sides are as long: thin objects before it are
resolved better. Water is recognised better at :data:`SIDE`."""

LONGEST_ASPECT = 1.6
"""Largest aspect ratio that is resized to a square; the excess of longer photos is kept."""

WATER_WEIGHT, WATER_OFFSET, SHARPNESS = 0.4, 0.85, 4.0
"""Weight of the network's logit of water, offset and gain of the combined logit; chosen on 86
photos with hand-marked water, which neither was trained on, and 26 others."""

SKY_EVIDENCE, WATER_EVIDENCE = (0.5, 0.25), (1.0, 0.5)
"""Weights of the logits of the network and of the ensemble, which is blurred, in the evidence for
sky and water; the logits of sky are halved, because they vary more between clouds."""

WATER_BONUS, HOLE_BONUS = 1.0, 2.3
"""What bodies of water add to the logit of water, and what it gains in their doubtful holes."""

DIP_BONUS, MOST_THIN_WATER = 0.1, 0.87
"""What bodies of water add to the logit in dips, and the largest probability of water in fine
dips."""


@torch.no_grad()
def segment(network: U2Net, photo: Tensor, side: int = SIDE) -> Tensor:
    """Predicts class probabilities: static, sky, water and, with four classes, falling water.

    Flip averaging would cost 0.4 s and changes no measured number.

    Args:
        network: The segmentation network.
        photo: ``[B, 3, H, W]`` in [-1, 1], any size and aspect.
        side: Side of the square that the photo is resized to.

    Returns:
        ``[B, classes, h, w]``.
    """
    height, width = photo.shape[2:]
    sides = [side, side]
    excess = max(height, width) / min(height, width) / LONGEST_ASPECT
    if excess > 1.0:
        sides[int(width > height)] = round(min(excess, 4.0) * side / 32) * 32
    # In float32: bfloat16 shifts edges.
    with torch.autocast(photo.device.type, enabled=False):
        # Bilinear enlargement blurs wires and twigs.
        mode = "bicubic" if max(photo.shape[2:]) < side else "bilinear"
        image = F.interpolate(photo.float(), sides, mode=mode, antialias=True)
        return network(image.clamp(-1.0, 1.0)).softmax(dim=1)


def replace_sky(segmented: Tensor, sky: Tensor) -> Tensor:
    """Replaces the sky of a prediction by that of one at another size.

    Args:
        segmented: Result of :func:`segment`, ``[B, classes, h, w]``.
        sky: Probability of sky s, ``[B, 1, H, W]``.

    Returns:
        ``[B, classes, H, W]``: s, and for kinds of water (1 - s) times their probability given
        that a pixel is not sky.
    """
    segmented = F.interpolate(segmented, sky.shape[2:], mode="bilinear")
    given_no_sky = segmented[:, 2:] / (1.0 - segmented[:, 1:2]).clamp(min=1e-3)
    water = (1.0 - sky) * given_no_sky
    return torch.cat([1.0 - sky - water.sum(dim=1, keepdim=True), sky, water], dim=1)


def combine(classes: PixelClasses, segmented: Tensor) -> PixelClasses:
    """Combines the ensemble's water with the segmentation network's sky.

    Let s be the network's probability of sky, n its probability of water (falling or not) given
    that a pixel is not sky, and w the ensemble's probability of water. The combined probabilities
    are s for sky, (1 - s) v for water and the remainder for static, with

        l = logit w + 0.4 logit n - 0.85,
        v = sigmoid(4 (l + 1))         in bodies of water (:func:`find_water`),
        v = sigmoid(4 (l + 2.3))       in their doubtful holes (:func:`find_holes`),
        v = min(sigmoid(4 l), 0.5)     elsewhere:

    the ensemble recognises water better, and the two rarely make the same error. The gain of 4
    keeps the matting from breaking up confident water by its colours.

    In dips (:func:`find_dips`) of l outside holes, or of logit n, the bonus is 0.1 instead: what
    stands in or before water is easily taken for it. In those of logit n, things too thin for the
    ensemble, v is also at most 0.87, so that the matting decides by their colours.

    In falling water (:func:`find_falling`), part of which the ensemble takes for rock, the
    probability of water is 1 - s. The ensemble's mean there must be at least 0.5, because the
    network confuses falls with snow and roads.

    Args:
        classes: The ensemble's classes, at any size.
        segmented: Result of :func:`segment`, ``[B, 3 or 4, h, w]``.

    Returns:
        Classes of the size of ``segmented``. Their confidence is the largest probability, their
        evidence 0.5 logit s + 0.25 logit of the ensemble's sky, and logit n + 0.5 logit w.
    """
    size = segmented.shape[2:]
    known = F.interpolate(classes.probabilities.float(), size, mode="bilinear")
    sky = segmented[:, 1:2]
    share = segmented[:, 2:].sum(dim=1, keepdim=True) / (1.0 - sky).clamp(min=1e-3)
    fine = share.logit(0.05)
    coarse = known[:, 2:3].logit(0.005)
    logit = coarse + WATER_WEIGHT * fine - WATER_OFFSET
    without_sky = logit.masked_fill(sky >= 0.5, -torch.inf)
    is_body = find_water(without_sky)
    is_hole = find_holes(without_sky, is_body)
    is_water = is_body | is_hole | find_small_water(without_sky)
    is_thin = find_dips(fine, is_water, *FINE_DIPS)
    # A hole is a wide dip of the combined logit itself.
    is_dip = is_thin | (find_dips(logit, is_water, *COARSE_DIPS) & ~is_hole)
    bonus = torch.where(is_hole, HOLE_BONUS, WATER_BONUS).masked_fill(is_dip, DIP_BONUS)
    water = torch.where(
        is_water,
        (SHARPNESS * (logit + bonus)).sigmoid(),
        (SHARPNESS * logit).sigmoid().clamp(max=0.5),
    )
    water = (1.0 - sky) * torch.where(is_thin, water.clamp(max=MOST_THIN_WATER), water)
    falling = segmented[:, 3:] if segmented.shape[1] > 3 else None
    if falling is not None:
        water = torch.where(find_falling(falling, known[:, 2:3]), 1.0 - sky, water)
    probabilities = torch.cat([1.0 - sky - water, sky, water], dim=1)
    confidence, vote = probabilities.max(dim=1, keepdim=True)
    of_sky = SKY_EVIDENCE[0] * sky.logit(0.01) + SKY_EVIDENCE[1] * known[:, 1:2].logit(0.005)
    of_water = WATER_EVIDENCE[0] * fine + WATER_EVIDENCE[1] * coarse
    evidence = torch.cat([of_sky, of_water], dim=1)
    return PixelClasses(probabilities, vote, confidence, falling, evidence)
