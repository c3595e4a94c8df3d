"""Change of appearance: latent codes and pictures on the way to another style (Sec. 3.4)."""

from stylecinegan.style.appearance import StyleChange
from stylecinegan.style.description import describe_inversion
from stylecinegan.style.directions import StyleDirections, find_directions
from stylecinegan.style.latent_files import read_latent, write_latent
from stylecinegan.style.target import Style, StyleTarget, find_target, read_style

__all__ = [
    "Style",
    "StyleChange",
    "StyleDirections",
    "StyleTarget",
    "describe_inversion",
    "find_directions",
    "find_target",
    "read_latent",
    "read_style",
    "write_latent",
]
