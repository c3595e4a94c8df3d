"""StyleCineGAN: one landscape photo in, a seamless looping cinemagraph out."""

from stylecinegan.ops import splat
from stylecinegan.pipeline import Cinemagraph, StyleCineGAN
from stylecinegan.scene import Scene
from stylecinegan.warping.settings import Warping

__all__ = ["Cinemagraph", "Scene", "StyleCineGAN", "Warping", "splat"]
