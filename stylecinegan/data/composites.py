"""Photos with soft labels of sky and water, and static objects composited onto them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

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
from stylecinegan.data.pictures import BROKEN, PictureFolder, read_names, stem
from stylecinegan.data.sampler import picture_of
from stylecinegan.data.static_objects import draw_object
from stylecinegan.errors import InputError
from stylecinegan.io import load_opencv

logger = logging.getLogger(__name__)

FALLING_WEIGHT = 2.0
"""Weight of a pixel of falling water, which is rare."""

WIDE_REGION = 0.2
"""Smallest diameter of a sky in a label map that overrides the teacher, of the shorter side."""


class Composites(Dataset[dict[str, Tensor]]):
    """Infinite sequence of random crops of photos, part of them with procedural static objects.

    The label of a pixel is the teacher's probability of sky s (:func:`settle_sky`), and of the
    rest 1 - s water where the label maps say so. Where the two still disagree about the sky,
    neither is trusted: such a pixel counts a tenth. Hand-marked corrections lie over both
    (:func:`~stylecinegan.data.marks.read_marks`). A composited object of coverage alpha is
    static: every class is multiplied by 1 - alpha and alpha is added to static.

    Every choice for sample ``c`` is drawn from (seed, c).

    Args:
        dir: Folder or zip file of photos.
        sky_dir: Soft labels of the sky under the same names (``prepare_data.py task=labels``).
        labels_dir: Label maps of 0 static, 1 sky, 2 water; without them water is not known.
        marks_dir: Folder of hand-marked corrections, ``STEM.json``. In a photo with one but
            without a label map, what is neither marked nor sky is static.
        more: Further sets with ``dir``, ``sky_dir``, ``labels_dir``, ``marks_dir``,
            ``only_marked`` (photos without corrections are left out) and ``share``, how often the
            set is drawn (by default its number of photos).
        crop: Side of the square crops, in pixels.
        scale_range: Shortest side of the rescaled photo before cropping, in units of ``crop``.
        thing_share: Share of the samples with static objects.
        held_out: Text file of photos that are never drawn, one name a line.
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
        thing_share: float = 0.6,
        held_out: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        self.crop = crop
        self.scale_range = tuple(scale_range)
        self.thing_share = thing_share
        self.seed = seed
        held = read_names(held_out) if held_out is not None else set()
        first = {"dir": dir, "sky_dir": sky_dir, "labels_dir": labels_dir, "marks_dir": marks_dir}
        self.sets = [_LabelledSet(held=held, **given) for given in (first, *more)]
        shares = np.array([part.share for part in self.sets], float)
        self._ends = np.cumsum(shares / shares.sum())
        self._broken: set[str] = set()

    def __len__(self) -> int:
        """Returns the number of photos; the sequence of samples has no end."""
        return sum(len(part.names) for part in self.sets)

    def __getitem__(self, counter: int) -> dict[str, Tensor]:
        """Makes a sample.

        Returns:
            ``image``: uint8, ``[3, crop, crop]``. ``target``: float32, ``[4, crop, crop]``,
            probabilities of static, sky, water, falling water. ``weight`` and ``knows_water``,
            whether static and water are told apart: float32, ``[1, crop, crop]``.
        """
        while True:
            random = np.random.default_rng((self.seed, 0, counter))
            part = self.sets[int(np.searchsorted(self._ends, random.random()))]
            name = part.names[picture_of(counter, len(part.names), self.seed)]
            try:
                photo, sky, label = part.read(name)
                break
            except BROKEN as error:
                logger.warning("left out a broken photo, %s: %s", name, error)
                self._broken.add(name)
                self.check_broken()
                counter += 1
        box = self._place(photo, random)
        size = (self.crop, self.crop)
        image = np.asarray(photo.resize(size, Image.Resampling.BICUBIC, box), np.float32)
        s = np.asarray(sky.resize(size, Image.Resampling.BILINEAR, box), np.float32) / 255.0
        classes = np.asarray(label.resize(size, Image.Resampling.NEAREST, box))
        if random.random() < 0.5:
            image, s, classes = image[:, ::-1], s[:, ::-1], classes[:, ::-1]
        water, falling = (1.0 - s) * (classes == WATER), (1.0 - s) * (classes == FALLING)
        knows_water = (classes != UNKNOWN).astype(np.float32)
        disagrees = ((classes == SKY) & (s < 0.5)) | ((classes == WATER) & (s > 0.5))
        weight = np.where(disagrees, 0.1, 1.0).astype(np.float32)
        weight[classes == FALLING] = FALLING_WEIGHT
        weight[classes == DO_NOT_TRAIN] = 0.0
        if random.random() < self.thing_share:
            for _ in range(random.integers(1, 3)):
                thickness = np.exp(random.uniform(np.log(0.8), np.log(8.0)))
                alpha = draw_object(self.crop, self.crop, random, thickness=float(thickness))
                image = composite(image, alpha, s, random)
                s, water, falling = (p * (1.0 - alpha) for p in (s, water, falling))
                near = surroundings(alpha)
                # Both sides of an object's outline get more weight.
                weight = np.maximum(weight, 1.0 + 3.0 * near)
                weight = np.where(alpha > 0.3, np.maximum(weight, 5.0), weight)
                knows_water = np.maximum(knows_water, alpha > 0.5)
        target = np.stack([1.0 - s - water - falling, s, water, falling])
        return {
            "image": torch.from_numpy(image.round().astype(np.uint8).transpose(2, 0, 1).copy()),
            "target": torch.from_numpy(target.astype(np.float32)),
            "weight": torch.from_numpy(weight.astype(np.float32)[None].copy()),
            "knows_water": torch.from_numpy(knows_water.astype(np.float32)[None].copy()),
        }

    def check_broken(self) -> None:
        """Raises InputError if more than 1 % of the photos were found broken."""
        if len(self._broken) > 0.01 * len(self):
            raise InputError(
                f"wanted at most 1 % broken photos, found {len(self._broken)} of {len(self)}: "
                f"{', '.join(sorted(self._broken)[:5])}"
            )

    def _place(
        self, photo: Image.Image, random: np.random.Generator
    ) -> tuple[float, float, float, float]:
        """A box of the photo; as prediction squeezes photos a little, its sides differ a little."""
        low, high = self.scale_range
        side = min(photo.size) / (low * (high / low) ** random.random())
        wide = min(side * np.exp(random.uniform(-0.1, 0.4)), photo.width)
        left = random.random() * (photo.width - wide)
        top = random.random() * (photo.height - side)
        return (left, top, left + wide, min(top + side, photo.height))


class _LabelledSet:
    """Photos with labels of the same names."""

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
        skies = {stem(name): name for name in self._skies.names}
        labels = None if self._labels is None else {stem(n): n for n in self._labels.names}
        self.names = [
            name
            for name in self.photos.names
            if stem(name) in skies
            and (labels is None or stem(name) in labels)
            and (not only_marked or stem(name) in self._marks)
            and stem(name) not in (held or ())
        ]
        if not self.names:
            wanted = f"soft labels in {sky_dir}" + f" and marks in {marks_dir}" * only_marked
            raise InputError(f"wanted photos in {dir} with {wanted}, found none")
        self._sky_names, self._label_names = skies, labels
        self.share = len(self.names) if share is None else share

    def read(self, name: str) -> tuple[Image.Image, Image.Image, Image.Image]:
        photo = Image.fromarray(self.photos.read(name))
        size = (photo.height, photo.width)
        sky = self._skies.read(self._sky_names[stem(name)])[..., 0]
        marks = self._marks.get(stem(name))
        if self._labels is not None and self._label_names is not None:
            with self._labels.open(self._label_names[stem(name)]) as label:
                classes = np.asarray(label, np.uint8)
            sky = settle_sky(_resize(sky, classes.shape), classes)
        else:
            classes = np.full(size, UNKNOWN if marks is None else STATIC, np.uint8)
        if marks is not None:
            sky, classes = correct(sky, classes, read_marks(marks, size))
        return photo, Image.fromarray(sky), Image.fromarray(classes)


def correct(
    sky: np.ndarray, classes: np.ndarray, marks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lays hand-marked corrections over the labels of a photo.

    Args:
        sky: uint8 ``[h, w]``, 255 sky.
        classes: Label map, ``[h', w']``.
        marks: Of :func:`~stylecinegan.data.marks.read_marks`, ``[H, W]``.

    Returns:
        Sky and label map, ``[H, W]``.
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


def settle_sky(sky: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Settles where the teacher and the label maps disagree about the sky.

    Looked at on 40 photos: where label maps alone see sky, they are right about wide regions
    (skies at dusk, behind haze, without colour, which the teacher misses) and wrong about narrow
    ones (towers, trees). Elsewhere the teacher is right more often.

    Args:
        sky: The teacher's, uint8 ``[H, W]``, 255 sky.
        classes: 0 static, 1 sky, 2 water, ``[H, W]``.

    Returns:
        uint8 ``[H, W]``: 255 in the wide regions, which hold a disc of :data:`WIDE_REGION` of the
        shorter side, the teacher's elsewhere.
    """
    missed = ((classes == SKY) & (sky < 128)).astype(np.uint8)
    side = round(WIDE_REGION * min(sky.shape)) // 2 * 2 + 1
    padded = np.pad(missed, side, mode="edge")
    cv2 = load_opencv()
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    wide = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[side:-side, side:-side]
    return np.where(wide > 0, np.uint8(255), sky)


def composite(
    image: np.ndarray, alpha: np.ndarray, sky: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Composites an object in a colour of the photo's static parts, dark or bright.

    Args:
        image: float32 ``[H, W, 3]`` in [0, 255].
        alpha: ``[H, W]`` in [0, 1].
        sky: Probability of sky, ``[H, W]``: colours are not taken from there.
        random: Decides the colour and texture.

    Returns:
        ``[H, W, 3]``: alpha C + (1 - alpha) I.
    """
    height, width = alpha.shape
    kind = random.random()
    static = np.flatnonzero(sky.ravel() < 0.2)
    if kind < 0.45 and len(static):
        colour = image.reshape(-1, 3)[random.choice(static)]
    elif kind < 0.8:
        colour = random.uniform(0.0, 70.0) + random.normal(0.0, 8.0, 3)
    else:
        colour = random.uniform(120.0, 245.0) + random.normal(0.0, 15.0, 3)
    coarse = random.normal(0.0, random.uniform(2.0, 25.0), (height // 16 + 1, width // 16 + 1))
    shade = Image.fromarray(coarse.astype(np.float32)).resize((width, height))
    grain = random.normal(0.0, random.uniform(0.0, 6.0), (height, width))
    textured = np.clip(colour + (np.asarray(shade) + grain)[..., None], 0.0, 255.0)
    return alpha[..., None] * textured + (1.0 - alpha[..., None]) * image


def surroundings(alpha: np.ndarray) -> np.ndarray:
    """Pixels at most 4 columns and rows from an object, float32 ``[H, W]``, 0 or 1."""
    window = np.ones((9, 9), np.uint8)
    return load_opencv().dilate((alpha > 0.05).astype(np.float32), window)
