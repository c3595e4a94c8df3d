"""Search for published weights on disk, checked by their hash; nothing is downloaded."""

import hashlib
import re
from pathlib import Path

import torch

from stylecinegan.errors import InputError


def find_weights(metric: str, name: str, size: str, path: str | Path | None = None) -> Path:
    """Finds a file of weights.

    Args:
        metric: Metric that needs the file.
        name: The file's published name. A hash at its end, as in torchvision's names, is the
            beginning of the SHA-256 of the contents.
        size: Size of the file, for the message; empty if unknown.
        path: The file; by default in torch's download cache.

    Returns:
        The path of the file, whose contents match the hash in its name.

    Raises:
        InputError: If there is no such file, or its contents do not match the hash in its name.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / name if path is None else Path(path)
    if not file.is_file():
        wanted = _hash_in(name)
        known = [size, f"SHA-256 {wanted}…" if wanted else ""]
        about = ", ".join(filter(None, known))
        raise InputError(
            f"{metric} needs the weights {name}{f' ({about})' if about else ''}, "
            f"wanted at {file}, found no such file (nothing is downloaded)"
        )
    wanted = _hash_in(file.name)
    if wanted:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if not found.startswith(wanted):
            raise InputError(
                f"{metric} needs {file} with the SHA-256 of its name, {wanted}…, "
                f"found {found[: len(wanted)]}…"
            )
    return file


def _hash_in(name: str) -> str:
    match = re.search(r"-([0-9a-f]{8,})\.", name)
    return match[1] if match else ""
