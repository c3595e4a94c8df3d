import argparse
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from stylecinegan.checkpoints import nvidia
from stylecinegan.checkpoints.restricted_pickles import DAMAGED
from stylecinegan.errors import InputError

MAX_BYTES = 4 * 2**30
"""Maximal bytes of a file and of its tensors: three times the largest known checkpoint."""

# Magic number near the start of files by torch.save before version 1.6, which are not zip archives.
LEGACY_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")


def read_pickle(path: str | Path) -> Any:
    """Reads a ``torch.save`` file or an NVIDIA pickle without executing anything of it.

    Args:
        path: The file; its format is recognised by its content.

    Returns:
        The saved object; networks of NVIDIA's pickles as stand-ins that hold their tensors.

    Raises:
        InputError: If the file is missing, too large, damaged, of another format or names code.
    """
    path = Path(path)
    start = check_file(path)
    try:
        is_legacy = LEGACY_MAGIC in start[:32]
        if start.startswith(b"\x80") and not is_legacy:
            return nvidia.read(path.read_bytes())
        if start.startswith(b"PK"):
            _check_archive(path)
        elif not is_legacy:
            raise InputError(
                f"cannot read {path}: not a checkpoint that can be read safely: wanted an archive "
                f"or a pickle, found data beginning with {start[:8]!r}"
            )
        # As a stream, because PyTorch derives the format from a file's name. The namespace of the
        # training's command-line arguments, which pSp and e4e save, is plain data.
        with path.open("rb") as file, torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"cannot read {path}: not a checkpoint that can be read safely: {_why(error)}"
        ) from error


def _why(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # PyTorch surrounds the name with advice to load the file unsafely.
    if named := re.search(r"GLOBAL (\S+) was not|type (\S+) was not", str(error)):
        return f"{named[1] or named[2]} in a pickle, which is not executed"
    return " ".join(lines[0].split())[:300]


def check_file(path: Path) -> bytes:
    """Checks that a file may be a checkpoint.

    Returns:
        Its first 512 bytes.

    Raises:
        InputError: If it is missing, empty, too large, a web page or a tar archive.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"checkpoint expected at {path}, found {found}")
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if size == 0:
        raise InputError(f"checkpoint expected at {path}, found an empty file")
    if size > MAX_BYTES:
        raise InputError(f"{path} must have at most {MAX_BYTES >> 30} GiB, found {size >> 30} GiB")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<head")):
        raise InputError(
            f"checkpoint expected at {path}, found a web page: the download failed (drives answer "
            "large files with a page that asks for a confirmation)"
        )
    if start[257:262] == b"ustar":
        raise InputError(f"checkpoint expected at {path}, found a tar archive: unpack it first")
    return start


def _check_archive(path: Path) -> None:
    """Refuses archives unlike ``torch.save``'s: compressed, paths outside, wrong checksums."""
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is cut off: the end of the archive is missing")
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            place = PurePosixPath(entry.filename)
            if place.is_absolute() or ".." in place.parts:
                raise InputError(f"{path} holds {entry.filename!r}, which escapes its folder")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise InputError(f"{path} must hold plain tensors, found {place.name} compressed")
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise InputError(f"{path} must expand to at most {MAX_BYTES >> 30} GiB, found more")
        broken = archive.testzip()
    if broken is not None:
        raise InputError(f"{path} is damaged: wrong checksum of {broken!r}")


def check_tensors(state: Mapping[Any, Any], source: str | Path) -> None:
    """Checks that a state maps names to numeric tensors of reasonable size.

    By its strides, a tensor with a few bytes of storage can have terabytes of values.

    Raises:
        InputError: Naming the first invalid one.
    """
    total = 0
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"{source}: {name} must be a tensor, got {type(tensor).__name__}")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise InputError(f"{source}: {name} must be a dense tensor of real numbers")
        total += 4 * tensor.numel()
    if total > MAX_BYTES:
        raise InputError(
            f"{source} must hold at most {MAX_BYTES >> 30} GiB of weights, found {total >> 30} GiB"
        )
