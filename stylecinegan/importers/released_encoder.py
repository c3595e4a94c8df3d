"""Import of released Feature-Style Encoders (Yao et al. 2022)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.inversion.encoder import FeatureStyleEncoder

_PREFIXES = {"conv.": "stem.", "content_layer.": "content.", "styles.": "styles."}


def make_encoder(state: Mapping[str, Tensor], mean: Tensor, path: Path) -> FeatureStyleEncoder:
    """Builds the encoder from the tensors that :func:`find_encoder` found.

    Args:
        state: The tensors.
        mean: The generator's mean latent code, ``[style_dim]``, which is added to the codes.
        path: The file, for messages.

    Returns:
        The encoder in evaluation mode, on the CPU.

    Raises:
        InputError: If a tensor does not fit, or the encoder predicts another layer than D^10.
    """
    checkpoints.check_tensors(state, path)
    arguments = _arguments(state, path)
    renamed = {_our_name(name): tensor for name, tensor in state.items()}
    renamed["w_mean"] = mean
    return checkpoints.build(lambda: FeatureStyleEncoder(**arguments), renamed, path)


def find_encoder(content: Any) -> Mapping[str, Tensor] | None:
    """Finds the encoder's tensors in the content of a file, or returns ``None``."""
    if not isinstance(content, Mapping):
        return None
    state = content.get("enc_state_dict", content)
    is_encoder = isinstance(state, Mapping) and "content_layer.4.weight" in state
    return state if is_encoder else None


def feature_index(state: Mapping[str, Tensor]) -> str:
    """Infers k, the index of the predicted layer, from the shapes of the feature branch.

    Returns:
        ``"9"`` for D^10 (k = 8 has the same shapes), else the values of k that fit, as text.
    """
    inner = state["content_layer.1.weight"].shape[1]
    outer = state["content_layer.4.weight"].shape[0]
    layers = {
        (256, 512): "5",
        (128, 512): "6 or 7",
        (64, 512): "9",
        (64, 256): "10 or 11",
        (64, 128): "12 or 13",
        (64, 64): "14 or 15",
    }
    return layers.get(
        (inner, outer), "9" if inner == state["conv.0.weight"].shape[0] else "unknown"
    )


def _arguments(state: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    try:
        k = feature_index(state)
        if k != "9":
            raise InputError(
                f"{path} predicts the feature of k = {k}, wanted k = 9, the one whose feature "
                "is D10"
            )
        units = [re.match(r"block_([1-4])\.(\d{1,3})\.conv1\.weight", name) for name in state]
        blocks = [match[1] for match in units if match]
        trunk = [state["conv.0.weight"].shape[0]]
        trunk += [state[f"block_{block}.0.conv1.weight"].shape[0] for block in range(1, 5)]
        style_dim, length = state["styles.0.weight"].shape
        return {
            "num_styles": len([name for name in state if re.fullmatch(r"styles\.\d+\.bias", name)]),
            "style_dim": style_dim,
            "feature_channels": state["content_layer.4.weight"].shape[0],
            "widths": trunk,
            "depths": [blocks.count(str(block)) for block in range(1, 5)],
            "content_width": state["content_layer.1.weight"].shape[0],
            "pool": round((length / sum(trunk[1:])) ** 0.5),
        }
    except KeyError as error:
        raise InputError(f"{path} lacks the tensor {error.args[0]}") from error
    except InputError:
        raise
    except (IndexError, ZeroDivisionError, ValueError) as error:
        raise InputError(f"{path}: the shapes of its tensors are those of no encoder") from error


def _our_name(name: str) -> str:
    if match := re.match(r"block_([1-4])\.", name):
        return f"blocks.{int(match[1]) - 1}.{name[match.end() :]}"
    for foreign, ours in _PREFIXES.items():
        if name.startswith(foreign):
            return ours + name.removeprefix(foreign)
    return name
