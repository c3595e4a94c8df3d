"""StyleCineGAN: one landscape photo in, a seamless looping cinemagraph out."""

from stylecinegan.ops import splat
from stylecinegan.pipeline import Cinemagraph, StyleCineGAN
from stylecinegan.warping.settings import Warping

__all__ = ["Cinemagraph", "StyleCineGAN", "Warping", "splat"]
