from pathlib import Path

from stylecinegan.errors import InputError
from stylecinegan.resources import CHECKPOINTS_DIR


def find_model(name: str) -> Path:
    """Finds the folder of a model whose weights the user converted.

    Args:
        name: Of the folder in ``checkpoints/``.

    Raises:
        InputError: If there is no such folder.
    """
    folder = CHECKPOINTS_DIR / name
    if not folder.is_dir():
        raise InputError(
            f"wanted converted weights in {folder}, found no such folder: "
            "'python scripts/fetch_checkpoints.py describe' says how to get them"
        )
    return folder
