"""Folders of photos for evaluation."""

import hashlib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import torch
from torch import Tensor

from stylecinegan.data.pictures import PictureFolder, read_names, stem
from stylecinegan.errors import InputError
from stylecinegan.inputs import check_number, resize_photo
from stylecinegan.io import from_uint8


class Photos:
    """Photos of a folder, sorted by name.

    Attributes:
        names: Paths of the photos in the folder.

    Args:
        path: Folder or zip file.
        listed: Text file of the names of the photos to use, one per line; by default all.
        number: Number of photos to use, from the first; by default all.
        size: Longer side that photos are resized to, at least 64 pixels; by default their own.
        pattern: Glob pattern of the file names.

    Raises:
        InputError: If there is no such photo, or fewer than ``number``, or a number is invalid.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        listed: str | Path | None = None,
        number: int | None = None,
        size: int | None = None,
        pattern: str = "*",
    ) -> None:
        if number is not None:
            check_number("number", number, least=1, is_whole=True)
        if size is not None:
            check_number("size", size, least=64, is_whole=True)
        self.folder = PictureFolder(path)
        self.size = size
        wanted = None if listed is None else read_names(listed)
        self.names = [
            name
            for name in self.folder.names
            if fnmatch(Path(name).name, pattern) and (wanted is None or stem(name) in wanted)
        ][:number]
        if not self.names or (number is not None and len(self.names) < number):
            raise InputError(f"wanted {number or 'some'} photos in {path}, found {len(self.names)}")

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        """Yields names without suffix and photos, ``[1, 3, H, W]`` in [-1, 1]."""
        for name in self.names:
            yield stem(name), self.read(name)

    def read(self, name: str) -> Tensor:
        """Reads one of ``names``, ``[1, 3, H, W]`` in [-1, 1]."""
        pixels = torch.from_numpy(self.folder.read(name).copy())
        return resize_photo(from_uint8(pixels), self.size)

    def digest(self) -> str:
        """SHA-256 over the pixels of all photos, in order."""
        sha256 = hashlib.sha256()
        for name in self.names:
            pixels = self.folder.read(name)
            sha256.update(f"{pixels.shape}".encode())
            sha256.update(pixels.tobytes())
        return sha256.hexdigest()

    def beside(self, name: str, suffix: str) -> Path:
        """Path of a file beside a photo.

        Args:
            name: Stem of the photo.
            suffix: End of the file's name after the stem, such as ``"_mask.png"``.
        """
        folders = {stem(photo): Path(photo).parent for photo in self.names}
        return self.folder.path / folders[name] / f"{name}{suffix}"
