from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan.data.broken_pictures import BrokenPictures
from stylecinegan.data.pictures import (
    BROKEN,
    PictureCache,
    PictureFolder,
    read_held_out,
    read_names,
    stem,
)
from stylecinegan.data.sampler import picture_of
from stylecinegan.errors import InputError

_CACHE_BYTES = 2 * 2**30


class Landscapes(Dataset[dict[str, Tensor]]):
    """Random crops of the landscape photos in a folder or zip file, as an infinite sequence.

    Every choice for sample ``c`` (photo, scale, position, flip) is drawn from (seed, c), never from
    a worker's generator, so samples depend neither on the number of workers nor on restarts.

    Args:
        dir: Folder or zip file, pictures of any size at any depth (LHQ's sub-folders included).
        crop: Side of the square crops, in pixels.
        scale_range: Shortest side of the rescaled photo before cropping, in units of ``crop``,
            drawn log-uniformly.
        flip: Whether half of the crops are mirrored.
        held_out: Text file of the photos that belong to the test split, one name a line.
        select: Text file of the only photos to use, one name a line.
        split: Whether to use all photos but the held-out ones, or only those.
        cache: Whether to keep the decoded photos in memory where they fit into 2 GiB.
        seed: Seed of all choices.

    Raises:
        InputError: If no photo is left, or an argument makes no sense.
    """

    def __init__(
        self,
        dir: str | Path,
        *,
        crop: int = 256,
        scale_range: Iterable[float] = (1.0, 1.0),
        flip: bool = True,
        held_out: str | Path | None = None,
        select: str | Path | None = None,
        split: Literal["train", "test"] = "train",
        cache: bool = True,
        seed: int = 0,
    ) -> None:
        low, high = _check_scale_range(scale_range)
        if crop < 1:
            raise InputError(f"crop must be at least 1 pixel, got {crop}")
        self.crop = crop
        self.scale_range = (low, high)
        self.flip = flip
        self.seed = seed
        self.folder = PictureFolder(dir)
        self.names = _choose(self.folder, held_out, select, split)
        self.broken = BrokenPictures(self.names, self.folder.path)
        self._cache = self._make_cache() if cache else None

    def __len__(self) -> int:
        """Returns the number of photos; the sequence of samples has no end."""
        return len(self.names)

    def __getitem__(self, counter: int) -> dict[str, Tensor]:
        """Makes a sample.

        Args:
            counter: Index in the infinite sequence of samples, from 0.

        Returns:
            ``image``: uint8, ``[3, crop, crop]`` (:class:`Batches` makes it [-1, 1]).

        Raises:
            InputError: If more than 1 % of the photos are broken.
        """
        picture = self._first_readable(counter)
        random = np.random.default_rng((self.seed, 0, counter))
        pixels = np.asarray(self._cut(Image.fromarray(picture), random))
        if self.flip and random.random() < 0.5:
            pixels = pixels[:, ::-1]
        return {"image": torch.from_numpy(pixels.transpose(2, 0, 1).copy())}

    def check_broken(self) -> None:
        """Raises an InputError if more than 1 % of the photos were found broken."""
        self.broken.check()

    def _first_readable(self, counter: int) -> np.ndarray:
        """Reads the photo of a sample, or of the next one if it is broken."""
        while True:
            index = picture_of(counter, len(self.names), self.seed)
            picture = self._read(index)
            if picture is not None:
                return picture
            counter += 1

    def _read(self, index: int) -> np.ndarray | None:
        if index in self.broken:
            return None
        cached = self._cache.get(index) if self._cache else None
        if cached is not None:
            return cached
        try:
            picture = self.folder.read(self.names[index])
        except BROKEN as error:
            self.broken.add(index, error)
            return None
        if self._cache:
            self._cache.put(index, picture)
        return picture

    def _cut(self, picture: Image.Image, random: np.random.Generator) -> Image.Image:
        """Rescales and crops at once, so that only the crop is resampled."""
        low, high = self.scale_range
        short = min(picture.size)
        scale = low * (high / low) ** random.random()
        side = short / scale  # of the crop, in pixels of the photo
        left, top = (random.random() * (length - side) for length in picture.size)
        if side == self.crop:
            left, top = round(left), round(top)
        box = (left, top, min(left + side, picture.width), min(top + side, picture.height))
        return picture.resize((self.crop, self.crop), Image.Resampling.LANCZOS, box)

    def _make_cache(self) -> PictureCache | None:
        # Estimated from a few pictures first, since reading the headers of all takes time.
        some = self.names[:: max(1, len(self.names) // 32)]
        expected = sum(map(self.folder.size, some)) / len(some) * len(self.names)
        if expected > 1.2 * _CACHE_BYTES:
            return None
        sizes = [self.folder.size(name) for name in self.names]
        return PictureCache(sizes) if sum(sizes) <= _CACHE_BYTES else None


def _choose(
    folder: PictureFolder, held_out: str | Path | None, select: str | Path | None, split: str
) -> list[str]:
    held = read_held_out(held_out, split)
    names = [name for name in folder.names if (stem(name) in held) == (split == "test")]
    if select is not None:
        selected = read_names(select)
        names = [name for name in names if stem(name) in selected]
    if not names:
        raise InputError(
            f"wanted {split} pictures in {folder.path}, found none of its {len(folder.names)} "
            "after held_out and select"
        )
    return names


def _check_scale_range(scale_range: Iterable[float]) -> tuple[float, float]:
    ends = tuple(float(end) for end in scale_range)
    if len(ends) != 2 or not 1.0 <= ends[0] <= ends[1]:
        raise InputError(f"scale_range must be two numbers, 1 <= low <= high, got {ends}")
    return ends
