"""Label files: the class of every pixel of a photo."""

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from stylecinegan.data.label_pictures import describe_classes, read_classes
from stylecinegan.data.labelme import read_drawing
from stylecinegan.data.pictures import PICTURE_SUFFIXES, PictureFolder, is_hidden
from stylecinegan.errors import InputError
from stylecinegan.io.formats import open_picture

_DRAWING, _PICTURE = ".json", ".png"


class LabelFolder(PictureFolder):
    """Labels in a folder or zip file, at any depth: pictures and LabelMe JSON.

    Args:
        path: Folder or ``.zip``, possibly without labels.

    Raises:
        InputError: If the path is neither.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir() and not zipfile.is_zipfile(self.path):
            raise InputError(f"wanted a folder or zip file of labels, found none at {path}")
        self.names = sorted(filter(_is_label, self._list()))
        self._zip = self._lmdb = None

    def read_bytes(self, name: str) -> bytes:
        """Reads the content of a file."""
        if self.path.is_dir():
            return (self.path / name).read_bytes()
        return self._open_zip().read(name)


@dataclass(frozen=True)
class Label:
    """A label file.

    Attributes:
        folder: Its folder or zip file.
        name: Its path there.
    """

    folder: LabelFolder
    name: str

    @property
    def suffix(self) -> str:
        """Suffix of the file, in lower case."""
        return Path(self.name).suffix.lower()

    @property
    def is_drawing(self) -> bool:
        """Whether it is a LabelMe file."""
        return self.suffix == _DRAWING

    def read(self, size: tuple[int, int]) -> np.ndarray:
        """Reads the class of every pixel.

        Args:
            size: (height, width) of the photo.

        Returns:
            Class numbers, ``[H, W]``, uint8.

        Raises:
            InputError: If the file is of a wrong kind or size or holds unknown classes; damaged
                pictures also raise the other errors of ``BROKEN``.
        """
        if self.suffix not in (_DRAWING, _PICTURE):
            reason = " (JPEG mixes the colours)" if self.suffix in (".jpg", ".jpeg") else ""
            raise InputError(f"label {self.name} must be a PNG, got {self.suffix}{reason}")
        content = self.folder.read_bytes(self.name)
        if not content:
            raise InputError(f"label {self.name} must hold {describe_classes()}, got an empty file")
        if self.is_drawing:
            return read_drawing(content, self.name, size)
        with open_picture(BytesIO(content)) as picture:
            if (picture.height, picture.width) != size:
                raise InputError(
                    f"label {self.name} must be {size[1]}x{size[0]} as its photo, "
                    f"got {picture.width}x{picture.height}"
                )
            return read_classes(picture, self.name)


def find_labels(photos: PictureFolder, labels_dir: str | Path) -> dict[str, list[Label]]:
    """Finds the labels of photos.

    LabelMe drawings may also be in the folder of the photos, where LabelMe puts them by default. If
    both folders are the same, its pictures are photos and not labels.

    Args:
        photos: The photos.
        labels_dir: Folder or zip file of the labels.

    Returns:
        Label files by the photo's stem, the one in effect first: a drawing before a picture, which
        may be an unedited template.

    Raises:
        InputError: If there is no such folder.
    """
    folder, beside = LabelFolder(labels_dir), LabelFolder(photos.path)
    found = [label for name in beside.names if (label := Label(beside, name)).is_drawing]
    if folder.path.resolve() != beside.path.resolve():
        found = [Label(folder, name) for name in folder.names] + found
    rank = {_DRAWING: 0, _PICTURE: 1}
    labels: dict[str, list[Label]] = {}
    for label in sorted(found, key=lambda label: rank.get(label.suffix, 2)):
        labels.setdefault(Path(label.name).stem, []).append(label)
    return labels


def _is_label(name: str) -> bool:
    return not is_hidden(name) and Path(name).suffix.lower() in {*PICTURE_SUFFIXES, _DRAWING}
