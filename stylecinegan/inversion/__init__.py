"""GAN inversion: a photo becomes latent codes w+ and the deep feature D^10 (Sec. 3.1)."""

from stylecinegan.inversion.encoder import FeatureStyleEncoder
from stylecinegan.inversion.inversion import Inversion

__all__ = ["FeatureStyleEncoder", "Inversion"]
