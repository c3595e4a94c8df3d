"""Photos with a label for every pixel."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan.data.broken_pictures import BrokenPictures
from stylecinegan.data.label_files import Label, find_labels
from stylecinegan.data.pictures import BROKEN, PictureFolder, read_held_out, stem
from stylecinegan.data.sampler import picture_of
from stylecinegan.errors import InputError


class AnnotatedLandscapes(Dataset[dict[str, Tensor]]):
    """Random crops of annotated photos with their labels, as an infinite sequence.

    Every choice for sample ``c`` is drawn from (seed, c), as in
    :class:`~stylecinegan.data.landscapes.Landscapes`.

    Args:
        dir: Folder or zip file of the photos.
        labels_dir: Folder or zip file of the labels under the photos' names: ``.png`` of the
            photos' sizes, or LabelMe ``.json``, which may also be in the folder of the photos.
            Photos without a label are left out.
        crop: Side of the square crops, in pixels.
        scale_range: Shortest side of the rescaled photo before cropping, in units of ``crop``.
        flip: Whether half of the crops are mirrored.
        held_out: Text file of the photos that belong to the test split, one name a line.
        split: Whether to use all photos but the held-out ones, or only those.
        num_labels: Number of pairs, chosen by the seed; by default all.
        seed: Seed of all random choices.

    Raises:
        InputError: If no pair is left, or an argument makes no sense.
    """

    def __init__(
        self,
        dir: str | Path,
        labels_dir: str | Path,
        *,
        crop: int = 256,
        scale_range: tuple[float, float] = (1.0, 1.0),
        flip: bool = True,
        held_out: str | Path | None = None,
        split: Literal["train", "test"] = "train",
        num_labels: int | None = None,
        seed: int = 0,
    ) -> None:
        low, high = (float(end) for end in scale_range)
        if not 1.0 <= low <= high:
            raise InputError(
                f"scale_range must be two numbers from 1 on, low first, got {low}, {high}"
            )
        self.crop = crop
        self.scale_range = (low, high)
        self.flip = flip
        self.seed = seed
        self.photos = PictureFolder(dir)
        self.pairs = _pair(self.photos, labels_dir, held_out, split)
        if num_labels is not None:
            self.pairs = _choose(self.pairs, num_labels, seed)
        self.broken = BrokenPictures([name for name, _ in self.pairs], self.photos.path)

    def __len__(self) -> int:
        """Returns the number of pairs; the sequence of samples has no end."""
        return len(self.pairs)

    def __getitem__(self, counter: int) -> dict[str, Tensor]:
        """Makes a sample.

        Args:
            counter: Index in the infinite sequence of samples, from 0.

        Returns:
            ``image``: uint8, ``[3, crop, crop]``. ``label``: int64, ``[crop, crop]``, 0 static,
            1 sky, 2 water. ``index``: int64, the pair's number.

        Raises:
            InputError: If a label is no label, or more than 1 % of the photos are broken.
        """
        while True:
            index = picture_of(counter, len(self.pairs), self.seed)
            try:
                photo, label = self.read(index)
                break
            except InputError:
                raise
            except BROKEN as error:
                self.broken.add(index, error)
                counter += 1
        random = np.random.default_rng((self.seed, 0, counter))
        box = self._place(photo, random)
        size = (self.crop, self.crop)
        pixels = np.asarray(photo.resize(size, Image.Resampling.LANCZOS, box))
        classes = np.asarray(label.resize(size, Image.Resampling.NEAREST, box))
        if self.flip and random.random() < 0.5:
            pixels, classes = pixels[:, ::-1], classes[:, ::-1]
        return {
            "image": torch.from_numpy(pixels.transpose(2, 0, 1).copy()),
            "label": torch.from_numpy(classes.astype(np.int64)),
            "index": torch.tensor(index),
        }

    def read(self, index: int) -> tuple[Image.Image, Image.Image]:
        """Reads an uncropped pair: the RGB photo and its label, 8-bit class numbers.

        Raises:
            InputError: If the label does not fit the photo or holds other classes.
        """
        name, label = self.pairs[index]
        photo = Image.fromarray(self.photos.read(name))
        classes = label.read((photo.height, photo.width))
        return photo, Image.fromarray(classes)

    def check_broken(self) -> None:
        """Raises an InputError if more than 1 % of the photos were found broken."""
        self.broken.check()

    def _place(
        self, photo: Image.Image, random: np.random.Generator
    ) -> tuple[float, float, float, float]:
        low, high = self.scale_range
        side = min(photo.size) / (low * (high / low) ** random.random())
        left, top = (random.random() * (length - side) for length in photo.size)
        right, bottom = min(left + side, photo.width), min(top + side, photo.height)
        return (left, top, right, bottom)


def _pair(
    photos: PictureFolder, labels_dir: str | Path, held_out: str | Path | None, split: str
) -> list[tuple[str, Label]]:
    held = read_held_out(held_out, split)
    labels = find_labels(photos, labels_dir)
    pairs = [
        (name, labels[stem(name)][0])
        for name in photos.names
        if stem(name) in labels and (stem(name) in held) == (split == "test")
    ]
    if not pairs:
        raise InputError(
            f"wanted {split} photos in {photos.path} with labels of the same names in "
            f"{labels_dir}, found none among {len(photos.names)} photos and {len(labels)} labels"
        )
    return pairs


def _choose(pairs: list[tuple[str, Label]], count: int, seed: int) -> list[tuple[str, Label]]:
    if not 1 <= count <= len(pairs):
        raise InputError(f"num_labels must be in [1, {len(pairs)}], got {count}")
    chosen = np.random.default_rng(seed).permutation(len(pairs))[:count]
    return [pairs[index] for index in sorted(chosen)]
