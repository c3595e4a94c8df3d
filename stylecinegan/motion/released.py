"""Motion generators that others released: the authors' and those of pix2pixHD."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.motion.generator import MotionGenerator


def load_motion_generator(path: str | Path) -> MotionGenerator:
    """Loads a motion generator, ours (``.safetensors``) or a ``latest_net_G.pth``.

    Widths and depths of a foreign file, and which of the two variants it is, are read off its
    tensors.

    Args:
        path: The file.

    Returns:
        The generator in evaluation mode, on the CPU.

    Raises:
        InputError: If the file is missing or damaged or holds no such generator.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return checkpoints.load(path, MotionGenerator)
    state = checkpoints.read_pickle(path)
    if not isinstance(state, Mapping) or getattr(state.get("model.1.weight"), "ndim", 0) != 4:
        raise InputError(f"{path} must hold a pix2pixHD generator (model.1.weight), found none")
    generator = _make_generator(state, path)
    checkpoints.load_strictly(generator, state, path)
    return generator.eval()


def _make_generator(state: Mapping[str, Tensor], path: Path) -> MotionGenerator:
    """Builds the generator whose layers stand at the places of the tensors.

    The stem ends with layer 3, and each downsampling takes three places. After the blocks an
    upsampling of upstream, a transposed convolution, takes three places again; the authors'
    takes four, the first of which has no weights.
    """
    blocks = {
        int(match[1]) for name in state if (match := re.match(r"model\.(\d+)\.conv_block\.", name))
    }
    if not blocks:
        raise InputError(f"{path} must hold a pix2pixHD generator, found no residual blocks")
    width, in_channels = state["model.1.weight"].shape[:2]
    return MotionGenerator(
        in_channels,
        width,
        num_downsamplings=(min(blocks) - 4) // 3,
        num_blocks=len(blocks),
        variant="pix2pixhd" if f"model.{max(blocks) + 1}.weight" in state else "stylecinegan",
    )
