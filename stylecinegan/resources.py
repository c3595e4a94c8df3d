"""Folders that come with the project, in a checkout or in an installed package."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

IS_INSTALLED = (_PACKAGE / "configs").is_dir()
"""Whether the package was built into a wheel; a checkout keeps these folders beside it."""


def _folder(packaged: str, in_checkout: str) -> Path:
    return _PACKAGE / packaged if IS_INSTALLED else _PACKAGE.parent / in_checkout


CONFIGS_DIR = _folder("configs", "configs")
"""Hydra's configuration files."""

CHECKPOINTS_DIR = _folder("default_model", "checkpoints")
"""The default model's weights."""

EXAMPLE_PHOTO = _folder("examples", "data") / "example.jpg"
"""The example photo, a landscape."""


def user_models_dir() -> Path:
    """Folder of converted models.

    In a checkout ``checkpoints``; otherwise ``$XDG_DATA_HOME/stylecinegan/models`` (by default in
    ``~/.local/share``), which survives updates of the package.
    """
    if not IS_INSTALLED:
        return CHECKPOINTS_DIR
    data_home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")  # Windows
    return (Path(data_home or "~/.local/share") / "stylecinegan/models").expanduser()


def project_path(name: str) -> str:
    """Finds a file of the project from anywhere; configurations write ``${project:NAME}``.

    Args:
        name: Its path in a checkout, below ``configs/`` or ``checkpoints/``, or the example photo.

    Raises:
        ValueError: If such files do not come with the package.
    """
    folder, _, rest = name.partition("/")
    folders = {"configs": CONFIGS_DIR, "checkpoints": CHECKPOINTS_DIR, "data": EXAMPLE_PHOTO.parent}
    if folder not in folders:
        raise ValueError(f"wanted a path in {', '.join(folders)}, got {name}")
    return str(folders[folder] / rest)
