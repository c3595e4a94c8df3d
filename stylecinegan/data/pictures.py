import mmap
import os
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from stylecinegan.data.lmdb_pictures import LmdbPictures, is_lmdb
from stylecinegan.errors import InputError
from stylecinegan.io.decoding import MAX_PIXELS, PICTURE_ERRORS, decode_8_bits, flatten
from stylecinegan.io.formats import open_picture
from stylecinegan.io.paths import MAX_FILE_BYTES
from stylecinegan.io.pixels import from_uint8

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp"}
    | {".heic", ".heif", ".avif", ".jxl"}
)
BROKEN = (*PICTURE_ERRORS, zipfile.BadZipFile, Image.DecompressionBombError)
"""Errors of reading damaged pictures and zip files."""


class PictureFolder:
    """The pictures in a folder, a zip file or LMDB, at any depth, in the order of their names.

    Args:
        path: Folder, ``.zip``, or folder with the ``data.mdb`` of LMDB.

    Raises:
        InputError: If the path holds no pictures.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise InputError(f"wanted a folder or zip file of pictures, found nothing at {path}")
        if not self.path.is_dir() and not zipfile.is_zipfile(self.path):
            raise InputError(f"wanted a folder or zip file of pictures, got {path}")
        self._lmdb = LmdbPictures(self.path) if is_lmdb(self.path) else None
        if self._lmdb is not None:
            self.names = sorted(self._lmdb.names())
        else:
            self.names = sorted(filter(_is_picture, self._list()))
        if not self.names:
            kinds = " ".join(sorted(PICTURE_SUFFIXES))
            archives = sum(name.lower().endswith(".zip") for name in self._list())
            found = f"only {archives} zip files: name one of them" if archives else "none"
            raise InputError(f"wanted pictures ({kinds}) in {path}, found {found}")
        self._zip: tuple[int, zipfile.ZipFile] | None = None

    def open(self, name: str) -> Image.Image:
        """Opens a picture, which Pillow decodes on first access.

        Raises:
            ValueError: If it has more than 100 megapixels.
        """
        picture = open_picture(self._stream(name))
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"wanted {MAX_PIXELS // 10**6} megapixels at most, found more")
        return picture

    def read(self, name: str) -> np.ndarray:
        """Decodes a picture, upright, in sRGB, composited over white, ``[H, W, 3]``, uint8."""
        with self.open(name) as picture:
            return flatten(decode_8_bits(picture, name))

    def read_photo(self, name: str) -> Tensor:
        """Reads a picture as a photo, ``[1, 3, H, W]`` in [-1, 1].

        Raises:
            InputError: If the picture is damaged or too large.
        """
        try:
            return from_uint8(self.read(name).copy())  # Pillow's own array is read-only
        except BROKEN as error:
            raise InputError(f"cannot read {self.path / name}: {error}") from error

    def size(self, name: str) -> int:
        """Size of a decoded picture in bytes, 0 if its header cannot be read."""
        try:
            with self.open(name) as picture:
                return 3 * picture.width * picture.height
        except BROKEN:
            return 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_zip": None}

    def _stream(self, name: str) -> Path | BytesIO:
        if self._lmdb is not None:
            return BytesIO(self._lmdb.read(name))
        if self.path.is_dir():
            return self.path / name
        archive = self._open_zip()
        # Read into memory and never unpacked, so a name in the archive cannot escape a folder.
        if archive.getinfo(name).file_size > MAX_FILE_BYTES:
            raise ValueError(f"wanted {MAX_FILE_BYTES >> 20} MiB at most, found more")
        return BytesIO(archive.read(name))

    def _list(self) -> list[str]:
        if not self.path.is_dir():
            with zipfile.ZipFile(self.path) as archive:
                return archive.namelist()
        return [
            Path(folder, file).relative_to(self.path).as_posix()
            for folder, _, files in os.walk(self.path, followlinks=True)
            for file in files
        ]

    def _open_zip(self) -> zipfile.ZipFile:
        # One file per worker process, because forked processes share a file's position.
        if self._zip is None or self._zip[0] != os.getpid():
            self._zip = (os.getpid(), zipfile.ZipFile(self.path))
        return self._zip[1]


class PictureCache:
    """Cache of decoded pictures in memory shared by all worker processes.

    Args:
        sizes: Bytes of each decoded picture.
    """

    def __init__(self, sizes: list[int]) -> None:
        self._offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._pixels = shared_array(int(self._offsets[-1]))
        # Height and width, written after the pixels; zero until then.
        self._shapes = shared_array(8 * len(sizes)).view(np.int32).reshape(-1, 2)

    def get(self, index: int) -> np.ndarray | None:
        """Returns a cached picture, ``[H, W, 3]``, or ``None``."""
        height, width = (int(side) for side in self._shapes[index])
        if not height or not width:
            return None
        start = self._offsets[index]
        return self._pixels[start : start + 3 * height * width].reshape(height, width, 3)

    def put(self, index: int, picture: np.ndarray) -> None:
        """Caches a picture, ``[H, W, 3]``, unless it is larger than announced."""
        start, end = self._offsets[index : index + 2]
        if picture.size <= end - start:
            self._pixels[start : start + picture.size] = picture.reshape(-1)
            self._shapes[index] = picture.shape[:2]


def shared_array(num_bytes: int) -> np.ndarray:
    """Returns zeroed bytes that forked processes share.

    Anonymous memory, because containers often limit ``/dev/shm`` to 64 MB.
    """
    return np.frombuffer(mmap.mmap(-1, max(num_bytes, 1)), dtype=np.uint8)[:num_bytes]


def read_names(path: str | Path) -> set[str]:
    """Reads a list of pictures, one a line, with or without folder and suffix.

    Raises:
        InputError: If the file cannot be read as text.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"wanted a text file of picture names, one a line, got {path}") from error
    return {stem(line.strip()) for line in lines if line.strip()}


def read_held_out(path: str | Path | None, split: str = "train") -> set[str]:
    """Reads the list of held-out pictures of a split.

    Args:
        path: Text file, one name a line; ``None`` for no held-out pictures.
        split: ``"train"`` or ``"test"``.

    Raises:
        InputError: If the split is unknown, the test split has no list, or the list cannot be read.
    """
    if split not in ("train", "test"):
        raise InputError(f"split must be train or test, got {split}")
    if path is None:
        if split == "test":
            raise InputError("split=test needs a held_out list, got none")
        return set()
    return read_names(path)


def stem(name: str) -> str:
    """Returns a picture's name without folders and suffix; other dots belong to the name."""
    path = Path(name)
    return path.stem if path.suffix.lower() in PICTURE_SUFFIXES else path.name


def is_hidden(name: str) -> bool:
    """Whether a path has a hidden part, or one that macOS adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in Path(name).parts)


def _is_picture(name: str) -> bool:
    return not is_hidden(name) and Path(name).suffix.lower() in PICTURE_SUFFIXES
