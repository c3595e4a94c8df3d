"""The classifiers that the authors released."""

import re
from pathlib import Path

from torch import Tensor

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.mask.ensemble import MaskEnsemble


def load_released_ensemble(directory: str | Path) -> MaskEnsemble:
    """Loads ``best_model_number_0.pth`` … (or DatasetGAN's ``model_0.pth`` …) as one ensemble.

    Widths and classes are read off the tensors.

    Args:
        directory: Folder of the files.

    Returns:
        The ensemble in evaluation mode, on the CPU.

    Raises:
        InputError: If there is none, or one is damaged or unlike the others.
    """
    directory = Path(directory)
    numbered = {
        int(match[1]): path
        for path in directory.glob("*.pth")
        if (match := re.fullmatch(r"(?:best_)?model_(?:number_)?(\d+)\.pth", path.name))
    }
    if not numbered:
        raise InputError(f"wanted best_model_number_0.pth and so on in {directory}, found none")
    states = [_read(numbered[number]) for number in sorted(numbered)]
    layers = [f"layers.{k}.weight" for k in (0, 3, 6)]
    widths = {tuple(tuple(state[layer].shape) for layer in layers) for state in states}
    if len(widths) > 1:
        raise InputError(f"the classifiers in {directory} must be alike, got widths {widths}")
    (first, length), (second, _), (num_classes, _) = widths.pop()
    ensemble = MaskEnsemble(length, num_classes, len(states), (first, second))
    for member, state, number in zip(ensemble.members, states, sorted(numbered), strict=True):
        checkpoints.load_strictly(member, state, numbered[number])
    return ensemble.eval()


def _read(path: Path) -> dict[str, Tensor]:
    content = checkpoints.read_pickle(path)
    state = content.get("model_state_dict", content) if isinstance(content, dict) else {}
    # The authors saved theirs from within DataParallel.
    state = {str(name).removeprefix("module."): value for name, value in state.items()}
    if any(f"layers.{k}.weight" not in state for k in (0, 3, 6)):
        raise InputError(f"{path} must hold a pixel classifier (layers.0, .3, .6), found none")
    return state
