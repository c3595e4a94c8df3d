"""Compensation of the blur by bilinear splatting."""

import torch
from torch import Tensor

from stylecinegan.warping.displacement import reflect
from stylecinegan.warping.frame_warp import FrameWarp, fill_holes
from stylecinegan.warping.joint_splatting import SMALLEST_WEIGHT, joint_splat
from stylecinegan.warping.photo_layer.levels import shrink

LARGEST_GAIN = 1.8
"""Upper bound of the gain: halfway between four pixels, almost no fine detail is left."""


def neighbour_correlation(level: Tensor, mask: Tensor) -> Tensor:
    """Correlation of neighbouring values of a level of zero mean, within the mask.

    ``ρ = 2 Σ w a b / Σ w (a² + b²)`` over neighbours a, b with w the product of their mask values.

    Args:
        level: ``[1, 3, H, W]``.
        mask: S, ``[1, 1, h, w]``, at least as large.

    Returns:
        Along rows (x) and along columns (y), ``[2]``, in [0, 1].
    """
    weight = shrink(mask, level.shape[2:])
    found = []
    for axis in (3, 2):
        length = level.shape[axis] - 1
        both = weight.narrow(axis, 0, length) * weight.narrow(axis, 1, length)
        power = product = level.new_zeros(())
        for channel in level.split(1, dim=1):
            first, second = channel.narrow(axis, 0, length), channel.narrow(axis, 1, length)
            power = power + (both * (first.square() + second.square())).sum()
            product = product + (both * first * second).sum()
        found.append(2.0 * product / power.clamp(min=1e-12))
    return torch.stack(found).clamp(0.0, 1.0)


def sharpness_loss(level: Tensor, mask: Tensor) -> Tensor:
    """Coefficient ``2 (1 - ρ)`` of the loss of variance by splatting, along x and y, ``[2]``.

    ρ is the :func:`neighbour_correlation`. At a subpixel offset f, a target is the mean of two
    neighbouring sources with weights 1 - f and f, whose variance is ``1 - 2 f (1 - f) (1 - ρ)`` of
    the sources' along each axis.
    """
    return 2.0 * (1.0 - neighbour_correlation(level, mask))


def sharpness_gain(displacement: Tensor, loss: Tensor) -> Tensor:
    """Gain of sources that restores the variance, ``Π_axis (1 - loss f (1 - f))^(-1/2)``.

    Args:
        displacement: ``[1, 2, H, W]``, (x, y) in pixels of the level.
        loss: Coefficients of the level, ``[2]``, see :func:`sharpness_loss`.

    Returns:
        ``[1, 1, H, W]``, from 1, at integer displacements, to 1.8.
    """
    share = displacement - displacement.floor()
    kept = 1.0 - loss.to(share).view(1, 2, 1, 1) * (share - share.square())
    return kept.prod(dim=1, keepdim=True).clamp(min=LARGEST_GAIN**-2).rsqrt()


def warp_sharply(
    warp: FrameWarp, level: Tensor, weight: Tensor | None, loss: Tensor
) -> tuple[Tensor, Tensor]:
    """Warps a level with its sources multiplied by :func:`sharpness_gain`.

    Frame 0 and frame N are splatted separately, as a source has different subpixel offsets in them.

    Args:
        warp: The frame's displacements, forward.
        level: ``[1, 3, H, W]``.
        weight: Weights of the sources, ``[1, 1, H, W]``, by default 1.
        loss: Coefficients of the level, ``[2]``, see :func:`sharpness_loss`.

    Returns:
        As :class:`~stylecinegan.warping.frame_warp.FrameWarp`: the warped level, and the
        weight sums of frame 0 and frame N.
    """
    height, width = level.shape[2:]
    displacements = warp.displacements(height, width)
    rows = (displacements[0].shape[2] - height) // 2
    columns = (displacements[0].shape[3] - width) // 2
    inner = (..., slice(rows, rows + height), slice(columns, columns + width))
    weight = torch.ones_like(level[:, :1]) if weight is None else weight
    # Padded explicitly, because sources in the border have their own gains.
    level, weight = (reflect(map_, (rows, columns)) for map_ in (level, weight))
    sums, shares = [], []
    for displacement, end in zip(displacements, (0.0, 1.0), strict=True):
        sharp = level * sharpness_gain(displacement, loss)
        ends = (displacement, displacement)
        mean, both = joint_splat(sharp, weight, *ends, end, backend=warp.backend)
        share = both.sum(dim=1, keepdim=True)[inner] * abs(1.0 - end - warp.progress)
        sums.append(mean[inner] * share)
        shares.append(share)
    total = shares[0] + shares[1]
    reached = total >= SMALLEST_WEIGHT
    blended = torch.where(reached, (sums[0] + sums[1]) / torch.where(reached, total, 1.0), 0.0)
    contributed = torch.cat(shares, dim=1)
    if warp.use_hole_filling:
        blended = fill_holes(blended, contributed)
    return blended, contributed
