"""Checkpoints: our safetensors, which rebuild their module, and safe readers of foreign files."""

from stylecinegan.checkpoints.folders import CHECKPOINTS_DIR, find_model
from stylecinegan.checkpoints.own_files import build, is_own_file, load, load_strictly, save
from stylecinegan.checkpoints.stylegan2 import load_generator, read_mean
from stylecinegan.checkpoints.torch_files import MAX_BYTES, check_file, check_tensors, read_pickle

__all__ = [
    "CHECKPOINTS_DIR",
    "MAX_BYTES",
    "build",
    "check_file",
    "check_tensors",
    "find_model",
    "is_own_file",
    "load",
    "load_generator",
    "load_strictly",
    "read_mean",
    "read_pickle",
    "save",
]
