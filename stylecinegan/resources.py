"""Folders that come with the project, in a checkout or in an installed package."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(packaged: str, in_checkout: str) -> Path:
    inside = _PACKAGE / packaged
    return inside if inside.is_dir() else _PACKAGE.parent / in_checkout


CONFIGS_DIR = _folder("configs", "configs")
"""Hydra's configuration files."""

CHECKPOINTS_DIR = _folder("default_model", "checkpoints")
"""The default model's weights."""
