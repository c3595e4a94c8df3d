"""Recognition of networks in files of weights, ours and those of other projects."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stylecinegan.checkpoints.own_files import is_own_file, load, read_own_file
from stylecinegan.checkpoints.stylegan2 import build_generator, find_generator
from stylecinegan.checkpoints.torch_files import check_file, read_pickle
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.importers.released_classifiers import (
    find_classifier,
    load_released_ensemble,
    make_ensemble,
)
from stylecinegan.importers.released_encoder import find_encoder, make_encoder
from stylecinegan.importers.released_motion import is_motion_generator, make_motion_generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask import MaskEnsemble
from stylecinegan.motion.generator import MotionGenerator

FILE_NAMES: dict[type[nn.Module], str] = {
    Generator: "generator.safetensors",
    FeatureStyleEncoder: "encoder.safetensors",
    MaskEnsemble: "mask.safetensors",
    MotionGenerator: "motion.safetensors",
}
"""File names by class, as :meth:`stylecinegan.StyleCineGAN.load` expects them."""


@dataclass(frozen=True)
class Recognized:
    """Network found in a file.

    Attributes:
        layout: Description of the file's format.
        module: The network.
    """

    layout: str
    module: nn.Module

    @property
    def file_name(self) -> str:
        """Name of such a file in a model's folder."""
        return FILE_NAMES[type(self.module)]


def recognize(path: str | Path, mean: Tensor | None = None) -> Recognized:
    """Reads a network, whose kind is recognised by the names and shapes of its tensors.

    Args:
        path: File, or folder of DatasetGAN's classifiers.
        mean: The generator's mean latent code, ``[style_dim]``, for files that lack it.

    Raises:
        InputError: If the file is missing, damaged or of an unknown kind, or needs a mean.
    """
    path = Path(path)
    if path.is_dir():
        return Recognized("DatasetGAN classifiers", load_released_ensemble(path))
    check_file(path)
    if is_own_file(path):
        return _own(path)
    content = read_pickle(path)
    if (found := find_generator(content, path)) is not None:
        return Recognized(found[0], build_generator(found[1], path, mean))
    if (encoder := find_encoder(content)) is not None:
        if mean is None:
            raise InputError(
                f"{path} holds an encoder, whose codes are relative to its generator's mean: "
                "wanted the file of the mean or of the generator (--mean FILE), found none"
            )
        return Recognized("Feature-Style Encoder, k = 9 (D10)", make_encoder(encoder, mean, path))
    if is_motion_generator(content):
        motion = make_motion_generator(content, path)
        return Recognized(f"pix2pixHD generator, variant {motion.arguments['variant']}", motion)
    if (classifier := find_classifier(content)) is not None:
        return Recognized("one DatasetGAN classifier", make_ensemble({path: classifier}, path))
    raise InputError(f"{path} holds no known network: {_outline(content)}")


def _own(path: Path) -> Recognized:
    name = read_own_file(path)[0].get("class")
    for kind in FILE_NAMES:
        if kind.__name__ == name:
            return Recognized("this project", load(path, kind))
    raise InputError(f"{path} must hold a network of this project, found {name or 'no class name'}")


def _outline(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"found a {type(content).__name__}"
    names = [str(name)[:60] for name in content]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"found {', '.join(names[:4]) or 'nothing'}{more}"
