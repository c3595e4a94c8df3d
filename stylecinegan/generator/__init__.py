"""StyleGAN2 in plain PyTorch."""

from stylecinegan.generator.stylegan2 import Generator

__all__ = ["Generator"]
