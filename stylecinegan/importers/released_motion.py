"""Import of motion generators released by the authors or by pix2pixHD."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.motion.generator import MotionGenerator


def load_motion_generator(path: str | Path) -> MotionGenerator:
    """Loads a motion generator, ours (``.safetensors``) or a ``latest_net_G.pth``.

    Widths, depths and variant of a foreign file are inferred from its tensors.

    Args:
        path: The file.

    Returns:
        The generator in evaluation mode, on the CPU.

    Raises:
        InputError: If the file is missing or damaged or holds no such generator.
    """
    path = Path(path)
    checkpoints.check_file(path)
    if checkpoints.is_own_file(path):
        return checkpoints.load(path, MotionGenerator)
    content = checkpoints.read_pickle(path)
    if not is_motion_generator(content):
        raise InputError(f"{path} must hold a pix2pixHD generator (model.1.weight), found none")
    return make_motion_generator(content, path)


def is_motion_generator(content: Any) -> bool:
    """Whether the content of a file is a generator of pix2pixHD."""
    return isinstance(content, Mapping) and getattr(content.get("model.1.weight"), "ndim", 0) == 4


def make_motion_generator(state: Mapping[str, Tensor], path: Path) -> MotionGenerator:
    """Builds the generator; its widths, depths and variant are inferred from the tensors.

    The released layers are numbered as in ``nn.Sequential``: the stem ends at 3, and each
    downsampling takes three numbers. After the residual blocks, an upsampling of pix2pixHD (a
    transposed convolution) takes three numbers as well; the authors' takes four, of which the
    first has no weights.

    Args:
        state: The tensors.
        path: The file, for messages.

    Returns:
        The generator in evaluation mode, on the CPU.

    Raises:
        InputError: If a tensor is missing, unexpected, misshapen or not finite.
    """
    checkpoints.check_tensors(state, path)
    blocks = {
        int(match[1])
        for name in state
        if (match := re.match(r"model\.(\d{1,4})\.conv_block\.", name))
    }
    if not blocks:
        raise InputError(f"{path} must hold a pix2pixHD generator, found no residual blocks")
    width, in_channels = state["model.1.weight"].shape[:2]
    arguments = {
        "in_channels": in_channels,
        "width": width,
        "num_downsamplings": (min(blocks) - 4) // 3,
        "num_blocks": len(blocks),
        "variant": "pix2pixhd" if f"model.{max(blocks) + 1}.weight" in state else "stylecinegan",
    }
    return checkpoints.build(lambda: MotionGenerator(**arguments), state, path)
