"""The paper's rendering with levels that do not fade at the picture's edges."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.generator.stylegan2 import partial_sums
from stylecinegan.warping.photo_layer.levels import differences, enlarge
from stylecinegan.warping.photo_layer.pyramid import WarpedPyramid


def compose_with_replicated_borders(
    levels: Mapping[int, Tensor],
    photo: Tensor,
    mask: Tensor,
    warp_layers: Sequence[int] | None = None,
) -> WarpedPyramid:
    """Prepares frames of the generator, composed with the photo (Eq. 4), without border lines.

    The generator enlarges its picture from level to level with zeros beyond the edges, which takes
    a quarter of the brightness from the outermost pixels; its to-RGB layers learned to add that
    quarter. Once features move, the quarter moves into the picture as a line, and another is
    missing at the edge. Here the partial sums S_k of the to-RGB layers, which have no such rim,
    are split anew into ``S_k − enlarge(S_{k−1})`` with replicated borders. Only the outermost
    pixels of S_k, tinted by convolutions that see zeros beyond the edge, are replaced by their
    neighbours; everywhere else frame 0 is the same.

    Args:
        levels: To-RGB outputs with their biases, ``[1, 3, R, R]``, by layer.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        mask: S, ``[1, 1, H, W]``.
        warp_layers: Layers that are warped: by default or if it names them, all of ``levels``;
            if empty, the finished picture.

    Returns:
        The pyramid that renders composed frames.

    Raises:
        InputError: If only some of the layers are warped; convolutions after them make a rim of
            their own.
    """
    images = [_without_rim(image) for image in partial_sums(levels)]
    if warp_layers is not None and not warp_layers:
        images = images[-1:]
    elif warp_layers is not None and set(warp_layers) != set(levels):
        raise InputError(
            f"use_replicated_borders wants warp_layers {sorted(levels)} or none, "
            f"got {list(warp_layers)}: leave it out for these"
        )
    if images[-1].shape != photo.shape:
        images[-1] = enlarge(images[-1], photo.shape[2:])
    split = [level.float() for level in differences(images)]
    rest = torch.addcmul(photo, mask, photo, value=-1.0)
    return WarpedPyramid(split, [None] * len(split), rest, mask)


def _without_rim(image: Tensor) -> Tensor:
    """Replaces the outermost pixels of ``[B, C, H, W]`` by those next to them."""
    if min(image.shape[2:]) < 3:
        return image
    return F.pad(image[:, :, 1:-1, 1:-1], (1, 1, 1, 1), mode="replicate")
