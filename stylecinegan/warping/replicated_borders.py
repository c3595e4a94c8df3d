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

    The generator upsamples its picture from level to level with zero padding, which darkens the
    outermost pixels by a quarter; its to-RGB layers learned to compensate. Once features move, the
    compensation moves into the picture as a bright line and is missing at the edge. Here the
    partial sums S_k of the to-RGB layers, which have no such rim, are split into
    ``S_k − enlarge(S_{k−1})`` with replicated borders. Only the outermost pixels of S_k, affected
    by the zero padding of convolutions, are replaced by their neighbours; elsewhere frame 0 is
    unchanged.

    Args:
        levels: To-RGB outputs with their biases, ``[1, 3, R, R]``, by layer.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        mask: S, ``[1, 1, H, W]``.
        warp_layers: Layers that are warped: by default or if it names them, all of ``levels``;
            if empty, the finished picture.

    Returns:
        The pyramid that renders composed frames.

    Raises:
        InputError: If only some of the layers are warped: the convolutions after them have the
            same rim.
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
    static = torch.addcmul(photo, mask, photo, value=-1.0)
    return WarpedPyramid(split, [None] * len(split), static, mask)


def _without_rim(image: Tensor) -> Tensor:
    """Replaces the outermost pixels of ``[B, C, H, W]`` by those next to them."""
    if min(image.shape[2:]) < 3:
        return image
    return F.pad(image[:, :, 1:-1, 1:-1], (1, 1, 1, 1), mode="replicate")
