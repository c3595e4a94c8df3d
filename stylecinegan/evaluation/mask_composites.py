"""Quality of predicted masks on photos with composited static objects."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN
from stylecinegan.data.composites import composite
from stylecinegan.data.static_objects import draw_object
from stylecinegan.evaluation.photos import Photos
from stylecinegan.metrics.composite_quality import CompositeQuality

THINNEST, WIDEST = 1.0, 14.0
"""Range of the widths of thin parts, in pixels of a photo whose longer side is 1024."""

EVALUATION_STREAM = 1
"""Second entry of the seeds; training draws its objects with 0."""


def measure_composites(
    model: StyleCineGAN, photos: Photos, *, num_each: int = 3, seed: int = 0
) -> tuple[dict[str, float], list[tuple[Tensor, Tensor]]]:
    """Measures recall by width, and precision, on composites held out from training.

    Args:
        model: The model.
        photos: Photos held out from training, preferably of 1024 pixels or more.
        num_each: Number of composites of each photo.
        seed: Seed of all choices.

    Returns:
        Metrics of :class:`~stylecinegan.metrics.composite_quality.CompositeQuality`, and the
        first composites with their masks.
    """
    quality = CompositeQuality()
    shown: list[tuple[Tensor, Tensor]] = []
    for index, (_, photo) in enumerate(tqdm(photos, unit="photo")):
        prediction = model.segment(photo)
        before = prediction.mask[0, 0].numpy()
        size = (photo.shape[2], photo.shape[3])
        sky = F.interpolate(prediction.classes.probabilities[:, 1:2].float(), size)[0, 0].numpy()
        for picture, alpha in draw_composites(
            photo, sky, (seed, EVALUATION_STREAM, index), num_each
        ):
            after = model.segment(picture).mask
            quality.add(alpha, before, after[0, 0].numpy())
            shown.append((picture, after))
    return quality.result(), shown


def draw_composites(
    photo: Tensor, sky: np.ndarray, seed: tuple[int, ...], number: int
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Composites drawn static objects onto a photo.

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].
        sky: Probability of sky, ``[H, W]``; colours of objects are sampled outside the sky.
        seed: Seed of all choices.
        number: Number of composites, each with one object.

    Yields:
        Pictures, ``[1, 3, H, W]``, and the objects' alpha, ``[H, W]`` in [0, 1].
    """
    height, width = photo.shape[2:]
    image = ((photo[0].permute(1, 2, 0) + 1.0) * 127.5).numpy().astype(np.float32)
    for k in range(number):
        random = np.random.default_rng((*seed, k))
        thickness = np.exp(random.uniform(np.log(THINNEST), np.log(WIDEST)))
        thickness *= max(height, width) / 1024.0
        alpha = draw_object(height, width, random, thickness=float(thickness))
        pixels = composite(image, alpha, sky, random)
        yield torch.from_numpy(pixels / 127.5 - 1.0).permute(2, 0, 1)[None].float(), alpha
