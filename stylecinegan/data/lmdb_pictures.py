"""Pictures in LMDB databases in the layout of rosinality's StyleGAN2 and LSUN.

The LMDB library trusts the file that it maps into memory: read databases from trusted sources only.
"""

import os
import re
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from stylecinegan.errors import InputError

_FILE = "data.mdb"
_BY_RESOLUTION = re.compile(r"(\d+)-\d+")


def is_lmdb(path: Path) -> bool:
    """Whether a path is an LMDB folder."""
    return (path / _FILE).is_file()


class LmdbPictures:
    """Pictures among the values of an LMDB database.

    Args:
        path: Folder with ``data.mdb``.

    Raises:
        InputError: If ``lmdb`` is not installed, or this is no database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()

    def names(self) -> list[str]:
        """Keys of the pictures; of rosinality's ``RESOLUTION-NUMBER`` those of the largest size."""
        with self._open().begin() as transaction:
            keys = transaction.cursor().iternext(keys=True, values=False)
            names = [bytes(key).decode("latin-1") for key in keys if bytes(key) != b"length"]
        found = [_BY_RESOLUTION.fullmatch(name) for name in names]
        if names and all(found):
            resolutions = [int(match[1]) for match in found if match]
            largest = max(resolutions)
            pairs = zip(names, resolutions, strict=True)
            return [name for name, resolution in pairs if resolution == largest]
        return names

    def read(self, name: str) -> bytes:
        """Reads a picture's file.

        Raises:
            KeyError: If there is none of this name.
        """
        with self._open().begin() as transaction:
            content = transaction.get(name.encode("latin-1"))
        if content is None:
            raise KeyError(name)
        return bytes(content)

    def _open(self) -> Any:
        return _open_database(str(self.path.resolve()))


_DATABASES: dict[str, tuple[int, Any]] = {}
"""Open databases by path, with the numbers of the processes that opened them."""

_LOCKS: dict[int, threading.Lock] = {}
"""Locks by process number: a fork may leave that of the parent held for ever."""


def _open_database(path: str) -> Any:
    lmdb = _load_lmdb(path)
    process = os.getpid()
    with _LOCKS.setdefault(process, threading.Lock()):
        opener, database = _DATABASES.pop(path, (process, None))
        if opener != process:
            database = None  # frees it: after a fork LMDB wants it opened anew, and only once
        if database is None:
            try:
                database = lmdb.open(
                    path, readonly=True, lock=False, readahead=False, meminit=False
                )
            except lmdb.Error as error:
                raise InputError(f"cannot read {path}: no database of LMDB ({error})") from error
        _DATABASES[path] = process, database
        return database


def _load_lmdb(path: str) -> ModuleType:
    try:
        import lmdb
    except ImportError as error:
        raise InputError(
            f"{path} is a database of LMDB: pip install 'stylecinegan[train]' to read it"
        ) from error
    return lmdb
