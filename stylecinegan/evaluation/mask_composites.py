"""Quality of predicted masks on photos with composited static objects."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, io
from stylecinegan.data.composites import composite
from stylecinegan.data.static_objects import draw_object
from stylecinegan.evaluation.photos import Photos
from stylecinegan.metrics.composite_quality import CompositeQuality

THINNEST, WIDEST = 1.0, 14.0
"""Range of the widths of thin parts, in pixels of a photo whose longer side is 1024."""

EVALUATION_STREAM = 1
"""Second entry of the seeds; training draws its objects with 0."""

NUM_SHOWN = 2
"""Number of composites of each photo that are shown."""


def measure_composites(
    model: StyleCineGAN, photos: Photos, *, num_each: int = 10, seed: int = 0
) -> tuple[dict[str, float], list[tuple[Tensor, Tensor]]]:
    """Measures recall by width, and precision, on composites held out from training.

    A pixel of a photo moves if its predicted mask says so, and the mask drawn by hand beside it
    (``NAME_mask.png``) if there is one.

    Args:
        model: The model.
        photos: Photos held out from training, preferably of 1024 pixels or more.
        num_each: Number of composites of each photo.
        seed: Seed of all choices.

    Returns:
        Metrics of :class:`~stylecinegan.metrics.composite_quality.CompositeQuality`, and the
        first :data:`NUM_SHOWN` composites of each photo with their masks.
    """
    quality = CompositeQuality()
    shown: list[tuple[Tensor, Tensor]] = []
    for index, (name, photo) in enumerate(tqdm(photos, unit="photo")):
        before = model.segment(photo).mask[0, 0].numpy()
        static = 1.0 - before
        drawn = photos.beside(name, "_mask.png")
        if drawn.exists():
            mask = io.read_mask(drawn, size=(photo.shape[2], photo.shape[3]))[0, 0].numpy()
            static, before = 1.0 - np.maximum(before, mask), np.minimum(before, mask)
        composites = draw_composites(photo, static, (seed, EVALUATION_STREAM, index), num_each)
        for k, (picture, alpha) in enumerate(composites):
            after = model.segment(picture).mask
            quality.add(alpha, before, after[0, 0].numpy())
            if k < NUM_SHOWN:
                shown.append((picture, after))
    return quality.result(), shown


def draw_composites(
    photo: Tensor, static: np.ndarray, seed: tuple[int, ...], number: int
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Composites drawn static objects onto a photo.

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].
        static: Probability of the static class, ``[H, W]``, where textures of objects are cut.
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
        pixels = composite(image, alpha, static, random)
        yield torch.from_numpy(pixels / 127.5 - 1.0).permute(2, 0, 1)[None].float(), alpha
