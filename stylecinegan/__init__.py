"""StyleCineGAN: one landscape photo in, a seamless looping cinemagraph out."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylecinegan.cinemagraph import Cinemagraph
    from stylecinegan.ops import splat
    from stylecinegan.pipeline import StyleCineGAN
    from stylecinegan.scene import Scene
    from stylecinegan.warping.settings import Warping

__version__ = "0.2.0"

__all__ = ["Cinemagraph", "Scene", "StyleCineGAN", "Warping", "__version__", "splat"]

_MODULES = {
    "Cinemagraph": "stylecinegan.cinemagraph",
    "Scene": "stylecinegan.scene",
    "StyleCineGAN": "stylecinegan.pipeline",
    "Warping": "stylecinegan.warping.settings",
    "splat": "stylecinegan.ops",
}
"""Module of each public name, imported when the name is first read: torch takes a second."""


def __getattr__(name: str) -> Any:
    """Imports a public name on first access (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
