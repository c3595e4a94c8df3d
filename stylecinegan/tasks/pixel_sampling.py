"""Inversion of labelled photos and sampling of their pixels, for training the mask ensemble."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask.deep_features import compute_deep_features
from stylecinegan.mask.hypercolumns import read_points, sample_hypercolumns
from stylecinegan.tasks.replay_buffer import PixelSamples
from stylecinegan.training.update import Precision

WINDOW = 0.5
"""Side of the window that pixels are sampled from, as a fraction of the photo's."""

FEATURE_STRIDE = 4
"""Pixels of the encoder's input per pixel of D^10."""


@dataclass(frozen=True)
class Networks:
    """The frozen networks of the inversion."""

    generator: Generator
    encoder: FeatureStyleEncoder


def load_networks(directory: str | Path | None = None) -> Networks:
    """Loads generator and encoder from a folder; by default the project's own.

    Raises:
        InputError: If a file is missing or damaged.
    """
    directory = checkpoints.find_model(directory)
    return Networks(
        checkpoints.load(directory / "generator.safetensors", Generator),
        checkpoints.load(directory / "encoder.safetensors", FeatureStyleEncoder),
    )


@torch.no_grad()
def sample_pixels(
    networks: Networks,
    context: nn.Module,
    batch: dict[str, Tensor],
    pixels_per_photo: int,
    *,
    precision: Precision = "fp32",
) -> PixelSamples:
    """Inverts photos and samples pixels in one random window, the same for the whole batch.

    The layers after D^10, which cost more than the encoder, are computed in the window only, since
    training gains more from more photos than from more pixels of each. With a generator that adds
    noise the window is the whole photo, because noise maps have fixed positions.

    Args:
        networks: Generator and encoder.
        context: Computes the features that are appended to D*.
        batch: ``image``, ``[B, 3, S, S]`` in [-1, 1]; ``label``, ``[B, S, S]``; ``index``, ``[B]``.
        pixels_per_photo: Pixels to sample.
        precision: Compute dtype of the networks.

    Returns:
        The samples, on the CPU.
    """
    image, label = batch["image"], batch["label"].cpu()
    count, _, width = label.shape  # crops are square
    cells = image.shape[3] // FEATURE_STRIDE
    side = cells if _uses_noise(networks.generator) else int(cells * WINDOW)
    top, left = torch.randint(cells - side + 1, (2,)).tolist()
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    with torch.autocast(image.device.type, dtype, precision != "fp32"):
        deep = compute_deep_features(
            networks.generator, networks.encoder, image, window=(top, left, side)
        )
        semantic = context(image)
    # One pixel of D^10 away from the window's edges, where convolutions read zero padding.
    first = torch.tensor([left + 1, top + 1]) * FEATURE_STRIDE
    extent = (side - 2) * FEATURE_STRIDE
    pixels = first + torch.randint(extent, (count, pixels_per_photo, 2))
    column, row = pixels.unbind(dim=2)
    corner = torch.tensor([left, top]) * FEATURE_STRIDE
    in_window = (pixels + 0.5 - corner) * (2.0 / (side * FEATURE_STRIDE)) - 1.0
    in_picture = (pixels + 0.5) * (2.0 / width) - 1.0
    read = (sample_hypercolumns(deep.features, in_window), read_points(semantic, in_picture))
    return PixelSamples(
        pixels=torch.cat(read, dim=2).half().cpu(),
        labels=label[torch.arange(count).unsqueeze(1), row, column],
        index=batch["index"].cpu(),
    )


def _uses_noise(generator: Generator) -> bool:
    strengths = [
        value for name, value in generator.state_dict().items() if name.endswith("noise_strength")
    ]
    return any(bool(strength.any()) for strength in strengths)
