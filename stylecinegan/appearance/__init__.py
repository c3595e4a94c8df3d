"""Change of appearance by interpolation of style codes (Sec. 3.4)."""

from stylecinegan.appearance.descriptor import describe_inversion
from stylecinegan.appearance.directions import StyleDirections, find_directions
from stylecinegan.appearance.latent_files import read_latent, write_latent
from stylecinegan.appearance.style_change import StyleChange
from stylecinegan.appearance.target import Style, StyleTarget, find_target, read_style

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
