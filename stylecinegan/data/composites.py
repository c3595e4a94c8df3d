"""Photos with soft labels of sky and water, and static objects composited onto them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan.data.broken_pictures import BrokenPictures
from stylecinegan.data.marks import (
    DO_NOT_TRAIN,
    FALLING,
    NOT_MARKED,
    SKY,
    STATIC,
    UNKNOWN,
    WATER,
    read_marks,
)
from stylecinegan.data.pictures import BROKEN, PictureFolder, read_held_out, stem
from stylecinegan.data.sampler import picture_of
from stylecinegan.data.static_objects import draw_object
from stylecinegan.errors import InputError
from stylecinegan.io import load_opencv

FALLING_WEIGHT = 2.0
"""Weight of a pixel of falling water, which is rare."""

WIDE_REGION = 0.2
"""Smallest diameter, as a fraction of the photo's shorter side, of a sky region in a label map that
overrides the teacher."""


class Composites(Dataset[dict[str, Tensor]]):
    """Random crops of photos, some with composited static objects, as an infinite sequence.

    The target of a pixel is the probability of sky s by a teacher network, corrected by the label
    map (:func:`merge_sky`), and the probability 1 - s of the label map's class. Pixels for which
    the two still disagree about the sky have weight 0.1. Hand-marked corrections override both
    (:func:`~stylecinegan.data.marks.read_marks`). A composited object of coverage alpha is static:
    all probabilities are multiplied by 1 - alpha, and alpha is added to that of static.

    Every choice for sample ``c`` is drawn from (seed, c).

    Args:
        dir: Folder or zip file of photos.
        sky_dir: The teacher's labels under the same names (``prepare_data.py task=labels``).
        labels_dir: Label maps of 0 static, 1 sky, 2 water; without them water is unknown.
        marks_dir: Folder of hand-marked corrections, ``STEM.json``. Photos with corrections but
            without a label map are static where they are neither corrected nor sky.
        more: Further sets with ``dir``, ``sky_dir``, ``labels_dir``, ``marks_dir``,
            ``only_marked`` (leaves out photos without corrections) and ``share``, the relative
            frequency with which the set is drawn (by default its number of photos).
        crop: Side of the square crops, in pixels.
        scale_range: Shortest side of the rescaled photo before cropping, in units of ``crop``.
        object_share: Share of the samples with static objects.
        held_out: Text file of photos that are excluded from training, one name a line.
        seed: Seed of all choices.

    Raises:
        InputError: If a set has no photo with a label.
    """

    def __init__(
        self,
        dir: str | Path,
        sky_dir: str | Path,
        labels_dir: str | Path | None = None,
        marks_dir: str | Path | None = None,
        *,
        more: Sequence[dict[str, Any]] = (),
        crop: int = 384,
        scale_range: tuple[float, float] = (1.0, 1.5),
        object_share: float = 0.6,
        held_out: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        self.crop = crop
        self.scale_range = tuple(scale_range)
        self.object_share = object_share
        self.seed = seed
        held = read_held_out(held_out)
        first = {"dir": dir, "sky_dir": sky_dir, "labels_dir": labels_dir, "marks_dir": marks_dir}
        self.sets = [_LabelledSet(held=held, **given) for given in (first, *more)]
        shares = np.array([part.share for part in self.sets], float)
        self._ends = np.cumsum(shares / shares.sum())
        names = [name for part in self.sets for name in part.names]
        self.broken = BrokenPictures(names, dir)
        self._starts = np.cumsum([0, *(len(part.names) for part in self.sets)])

    def __len__(self) -> int:
        """Returns the number of photos; the sequence of samples has no end."""
        return sum(len(part.names) for part in self.sets)

    def __getitem__(self, counter: int) -> dict[str, Tensor]:
        """Makes a sample.

        Returns:
            ``image``: uint8, ``[3, crop, crop]``. ``target``: float32, ``[4, crop, crop]``,
            probabilities of static, sky, water, falling water. ``weight`` and ``knows_water``
            (whether the label distinguishes static from water): float32, ``[1, crop, crop]``.
        """
        while True:
            random = np.random.default_rng((self.seed, 0, counter))
            number = int(np.searchsorted(self._ends, random.random()))
            part = self.sets[number]
            index = picture_of(counter, len(part.names), self.seed)
            try:
                layers = part.read(part.names[index])
                break
            except BROKEN as error:
                self.broken.add(int(self._starts[number]) + index, error)
                counter += 1
        image, s, classes = self._cut(*layers, random)
        # Probabilities of sky, water and falling water; the rest is static.
        moving = np.stack([s, (1.0 - s) * (classes == WATER), (1.0 - s) * (classes == FALLING)])
        knows_water = (classes != UNKNOWN).astype(np.float32)
        weight = _label_weight(s, classes)
        if random.random() < self.object_share:
            for _ in range(random.integers(1, 3)):
                thickness = np.exp(random.uniform(np.log(0.8), np.log(8.0)))
                alpha = draw_object(self.crop, self.crop, random, thickness=float(thickness))
                static = (1.0 - moving.sum(axis=0)) * knows_water
                image = composite(image, alpha, static, random)
                moving = moving * (1.0 - alpha)
                # More weight on the object and on both sides of its outline.
                weight = np.maximum(weight, 1.0 + 3.0 * dilate(alpha))
                weight = np.where(alpha > 0.3, np.maximum(weight, 5.0), weight)
                knows_water = np.maximum(knows_water, alpha > 0.5)
        sky, water, falling = moving
        target = np.stack([1.0 - sky - water - falling, *moving])
        return {
            "image": torch.from_numpy(image.round().astype(np.uint8).transpose(2, 0, 1).copy()),
            "target": torch.from_numpy(target.astype(np.float32)),
            "weight": torch.from_numpy(weight.astype(np.float32)[None].copy()),
            "knows_water": torch.from_numpy(knows_water.astype(np.float32)[None].copy()),
        }

    def check_broken(self) -> None:
        """Raises an InputError if more than 1 % of the photos were found broken."""
        self.broken.check()

    def _cut(
        self,
        photo: Image.Image,
        sky: Image.Image,
        label: Image.Image,
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Crops and mirrors a photo and its labels alike.

        Returns:
            The photo, ``[S, S, 3]``, float32 in [0, 255]; the probability of sky, ``[S, S]``,
            float32; and the label map, ``[S, S]``, uint8.
        """
        low, high = self.scale_range
        height = min(photo.size) / (low * (high / low) ** random.random())
        # The aspect varies, because prediction resizes photos to a square.
        width = min(height * np.exp(random.uniform(-0.1, 0.4)), photo.width)
        left = random.random() * (photo.width - width)
        top = random.random() * (photo.height - height)
        box = (left, top, left + width, min(top + height, photo.height))
        size = (self.crop, self.crop)
        image = np.asarray(photo.resize(size, Image.Resampling.BICUBIC, box), np.float32)
        probability = np.asarray(sky.resize(size, Image.Resampling.BILINEAR, box), np.float32)
        classes = np.asarray(label.resize(size, Image.Resampling.NEAREST, box))
        if random.random() < 0.5:
            image, probability, classes = image[:, ::-1], probability[:, ::-1], classes[:, ::-1]
        return image, probability / 255.0, classes


def _label_weight(sky: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Weight of every pixel in the loss by its labels, ``[H, W]``, float32."""
    disagrees = ((classes == SKY) & (sky < 0.5)) | ((classes == WATER) & (sky > 0.5))
    weight = np.where(disagrees, 0.1, 1.0).astype(np.float32)
    weight[classes == FALLING] = FALLING_WEIGHT
    weight[classes == DO_NOT_TRAIN] = 0.0
    return weight


class _LabelledSet:
    """Photos with labels under the same names (arguments as of :class:`Composites`)."""

    def __init__(
        self,
        dir: str | Path,
        sky_dir: str | Path,
        labels_dir: str | Path | None = None,
        marks_dir: str | Path | None = None,
        only_marked: bool = False,
        share: float | None = None,
        held: set[str] | None = None,
    ) -> None:
        self.photos, self._skies = PictureFolder(dir), PictureFolder(sky_dir)
        self._labels = None if labels_dir is None else PictureFolder(labels_dir)
        found = [] if marks_dir is None else Path(marks_dir).glob("*.json")
        self._marks = {path.stem: path for path in found}
        self._sky_names = {stem(name): name for name in self._skies.names}
        labelled = [] if self._labels is None else self._labels.names
        self._label_names = {stem(name): name for name in labelled}
        self.names = [
            name
            for name in self.photos.names
            if stem(name) in self._sky_names
            and (self._labels is None or stem(name) in self._label_names)
            and (not only_marked or stem(name) in self._marks)
            and stem(name) not in (held or ())
        ]
        if not self.names:
            wanted = f"soft labels in {sky_dir}" + f" and marks in {marks_dir}" * only_marked
            raise InputError(f"wanted photos in {dir} with {wanted}, found none")
        self.share = len(self.names) if share is None else share

    def read(self, name: str) -> tuple[Image.Image, Image.Image, Image.Image]:
        """Reads a photo, its probability of sky (255 is 1), and its label map."""
        photo = Image.fromarray(self.photos.read(name))
        size = (photo.height, photo.width)
        sky = self._skies.read(self._sky_names[stem(name)])[..., 0]
        marks = self._marks.get(stem(name))
        if self._labels is not None:
            with self._labels.open(self._label_names[stem(name)]) as label:
                classes = np.asarray(label, np.uint8)
            sky = merge_sky(_resize(sky, classes.shape), classes)
        else:
            classes = np.full(size, UNKNOWN if marks is None else STATIC, np.uint8)
        if marks is not None:
            sky, classes = apply_marks(sky, classes, read_marks(marks, size))
        return photo, Image.fromarray(sky), Image.fromarray(classes)


def apply_marks(
    sky: np.ndarray, classes: np.ndarray, marks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Overrides the labels of a photo by hand-marked corrections.

    Args:
        sky: Probability of sky, 255 is 1, ``[h, w]``, uint8.
        classes: Label map, ``[h', w']``, uint8.
        marks: Result of :func:`~stylecinegan.data.marks.read_marks`, ``[H, W]``.

    Returns:
        Probability of sky and label map, ``[H, W]``, uint8.
    """
    is_marked = marks != NOT_MARKED
    fine = _resize(classes, marks.shape, Image.Resampling.NEAREST)
    classes = np.where(is_marked, marks, fine)
    sky = np.where(is_marked, np.uint8(255) * (marks == SKY), _resize(sky, marks.shape))
    return sky.astype(np.uint8), classes


def _resize(
    values: np.ndarray,
    size: tuple[int, ...],
    method: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    return np.asarray(Image.fromarray(values).resize((size[1], size[0]), method))


def merge_sky(sky: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Overrides the teacher's sky in wide regions that are sky in the label map alone.

    On 40 inspected photos, regions that are sky in the label map alone were sky where they are wide
    (skies at dusk, in haze or without colour, which the teacher misses) but not where they are
    narrow (towers, trees). Otherwise the teacher was right more often.

    Args:
        sky: The teacher's probability of sky, 255 is 1, ``[H, W]``, uint8.
        classes: 0 static, 1 sky, 2 water, ``[H, W]``.

    Returns:
        Probability of sky, ``[H, W]``, uint8: 255 in wide regions, that is the morphological
        opening by a disc of :data:`WIDE_REGION`, and the teacher's elsewhere.
    """
    missed = ((classes == SKY) & (sky < 128)).astype(np.uint8)
    side = round(WIDE_REGION * min(sky.shape)) // 2 * 2 + 1
    padded = np.pad(missed, side, mode="edge")
    cv2 = load_opencv()
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    wide = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[side:-side, side:-side]
    return np.where(wide > 0, np.uint8(255), sky)


def composite(
    image: np.ndarray, alpha: np.ndarray, static: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Composites an object with a texture of the photo, or a dark or bright one.

    With the object's texture C and coverage α the picture is ``α C + (1 - α) I``.

    Args:
        image: I, ``[H, W, 3]``, float32 in [0, 255].
        alpha: α, ``[H, W]`` in [0, 1].
        static: Probability of the static class, ``[H, W]``; textures are cut from static regions.
        random: Draws C.

    Returns:
        The picture, ``[H, W, 3]``.
    """
    height, width = alpha.shape
    kind = random.random()
    centres = np.flatnonzero(static.ravel() > 0.8)
    if kind < 0.45 and len(centres):
        row, column = np.unravel_index(random.choice(centres), alpha.shape)
        texture = _tiled_texture(image, static, (int(row), int(column)), random)
    elif kind < 0.8:
        texture = random.uniform(0.0, 70.0) + random.normal(0.0, 8.0, 3)
    else:
        texture = random.uniform(120.0, 245.0) + random.normal(0.0, 15.0, 3)
    coarse = random.normal(0.0, random.uniform(2.0, 25.0), (height // 16 + 1, width // 16 + 1))
    shade = Image.fromarray(coarse.astype(np.float32)).resize((width, height))
    grain = random.normal(0.0, random.uniform(0.0, 6.0), (height, width))
    textured = np.clip(texture + (np.asarray(shade) + grain)[..., None], 0.0, 255.0)
    return alpha[..., None] * textured + (1.0 - alpha[..., None]) * image


def _tiled_texture(
    image: np.ndarray, static: np.ndarray, centre: tuple[int, int], random: np.random.Generator
) -> np.ndarray:
    """Fills a picture with mirrored tiles of its own static texture around a pixel."""
    reach = int(random.integers(2, max(3, min(static.shape) // 8)))
    (row, column), (height, width) = centre, static.shape
    part = np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    tile = np.where(static[part][..., None] > 0.8, image[part], image[centre])
    rows, columns = (
        np.pad(np.arange(size), (0, full), mode="symmetric")[:full]
        for size, full in zip(tile.shape[:2], (height, width), strict=True)
    )
    return tile[rows[:, None], columns]


def dilate(alpha: np.ndarray) -> np.ndarray:
    """Dilates an object by 4 pixels, ``[H, W]``, float32, 0 or 1."""
    window = np.ones((9, 9), np.uint8)
    return load_opencv().dilate((alpha > 0.05).astype(np.float32), window)
