"""Segmentation by a trained model, for training the motion generator."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from stylecinegan import checkpoints
from stylecinegan.mask import MaskEnsemble
from stylecinegan.mask.prediction import classify_pixels
from stylecinegan.tasks.pixel_sampling import load_networks


def load_segmenter(directory: str | Path | None = None) -> Callable[[Tensor], Tensor]:
    """Loads the segmentation of sky and water in photos.

    Args:
        directory: Folder of ``generator.safetensors``, ``encoder.safetensors`` and
            ``mask.safetensors``; by default that of the project's model.

    Returns:
        Function from a photo, ``[1, 3, H, W]``, to the probabilities of static, sky and water,
        ``[1, 3, h, w]``.

    Raises:
        InputError: If a file is missing or damaged.
    """
    directory = checkpoints.find_model(directory)
    networks = load_networks(directory)
    ensemble = checkpoints.load(directory / "mask.safetensors", MaskEnsemble)
    for module in (networks.generator, networks.encoder):
        module.eval().requires_grad_(False)
    return lambda photo: (
        classify_pixels(ensemble, networks.generator, networks.encoder, photo).probabilities
    )
