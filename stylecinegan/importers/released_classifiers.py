"""Import of pixel classifiers released by the authors or by DatasetGAN."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.mask.ensemble import MaskEnsemble, PixelClassifier


def load_released_ensemble(directory: str | Path) -> MaskEnsemble:
    """Loads ``best_model_number_0.pth`` … (or DatasetGAN's ``model_0.pth`` …) as one ensemble.

    Widths and classes are inferred from the tensors.

    Args:
        directory: Folder of the files.

    Returns:
        The ensemble in evaluation mode, on the CPU.

    Raises:
        InputError: If there is none, one is damaged, or their shapes differ.
    """
    directory = Path(directory)
    numbered = {
        int(match[1]): path
        for path in directory.glob("*.pth")
        if (match := re.fullmatch(r"(?:best_)?model_(?:number_)?(\d+)\.pth", path.name))
    }
    if not numbered:
        raise InputError(f"wanted best_model_number_0.pth and so on in {directory}, found none")
    files = [numbered[number] for number in sorted(numbered)]
    return make_ensemble({path: _read(path) for path in files}, directory)


def make_ensemble(states: Mapping[Path, Mapping[str, Tensor]], source: str | Path) -> MaskEnsemble:
    """Builds an ensemble from the classifiers of several files.

    Args:
        states: Tensors of each classifier, by file.
        source: File or folder, for messages.

    Returns:
        The ensemble in evaluation mode, on the CPU.

    Raises:
        InputError: If one is damaged, or their shapes differ.
    """
    layers = [f"layers.{k}.weight" for k in (0, 3, 6)]
    widths = {tuple(tuple(state[layer].shape) for layer in layers) for state in states.values()}
    if len(widths) > 1:
        raise InputError(f"the classifiers in {source} must be alike, got widths {widths}")
    shapes = widths.pop()
    if any(len(shape) != 2 for shape in shapes):
        raise InputError(f"the classifiers in {source} must have matrices, got {shapes}")
    (first, length), (second, _), (num_classes, _) = shapes
    members = [
        checkpoints.build(
            lambda: PixelClassifier(length, num_classes, (first, second)), state, path
        )
        for path, state in states.items()
    ]
    ensemble = MaskEnsemble(length, num_classes, len(states), (first, second))
    for target, member in zip(ensemble.members, members, strict=True):
        target.load_state_dict(member.state_dict())
    return ensemble.eval()


def find_classifier(content: Any) -> dict[str, Any] | None:
    """Finds a classifier's tensors in the content of a file, or returns ``None``."""
    if not isinstance(content, Mapping):
        return None
    state = content.get("model_state_dict", content)
    if not isinstance(state, Mapping):
        return None
    # The authors saved theirs from within DataParallel.
    state = {str(name).removeprefix("module."): value for name, value in state.items()}
    return state if all(f"layers.{k}.weight" in state for k in (0, 3, 6)) else None


def _read(path: Path) -> dict[str, Tensor]:
    state = find_classifier(checkpoints.read_pickle(path))
    if state is None:
        raise InputError(f"{path} must hold a pixel classifier (layers.0, .3, .6), found none")
    checkpoints.check_tensors(state, path)
    return state
