"""Rendering of a frame: RGB levels are warped, summed and composed with the photo."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from stylecinegan.generator.layers import upsample
from stylecinegan.ops.splatting import runs_native
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.joint_splatting import SMALLEST_WEIGHT
from stylecinegan.warping.photo_layer.levels import enlarge
from stylecinegan.warping.photo_layer.sharpness import sharpness_loss, warp_sharply

WAVELENGTH = 3.0
"""Typical wavelength of a band-pass level in its own pixels; its band is 2 to 4 pixels."""


@dataclass(frozen=True)
class WarpedPyramid:
    """RGB levels of a still picture, ready to be rendered as the frames of a loop.

    A frame is ``static + mask · (sum of the warped levels)``, clamped. Where the mask is 0 it is
    ``static``, so compiled operators compute only the bounding box of the mask.

    Attributes:
        levels: ``[1, 3, H, W]``, coarse to fine; the last has the frame's size.
        weights: Weights of the sources of each level, ``[1, 1, H, W]``, or ``None`` for 1.
        static: Static part of every frame, ``[1, 3, H, W]``.
        mask: S, ``[1, 1, H, W]``.
        use_contrast_preservation: Divides all levels but the first, which must have zero mean, by
            the contrast that blending two textures keeps (:func:`contrast`), and compensates the
            blur of splatting (:func:`sharpness_gain
            <stylecinegan.warping.photo_layer.sharpness.sharpness_gain>`).
        edges_fade: Upsamples coarser levels with zero padding, as the generator does, instead of
            replicated borders.
        between: The two pyramids that this one was interpolated from, and the second's weight.
    """

    levels: Sequence[Tensor]
    weights: Sequence[Tensor | None]
    static: Tensor
    mask: Tensor
    use_contrast_preservation: bool = False
    edges_fade: bool = False
    between: "tuple[WarpedPyramid, WarpedPyramid, float] | None" = field(
        default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Measures the sharpness that is lost: sums that depend on the number of threads."""
        _ = self._losses  # frames may be rendered in threads with fewer cores than this one

    def interpolate(self, other: "WarpedPyramid", share: float) -> "WarpedPyramid":
        """Interpolates linearly with a pyramid of the same weights and mask.

        Args:
            other: The other one.
            share: Weight of the other, in [0, 1].
        """
        pairs = zip(self.levels, other.levels, strict=True)
        levels = [torch.lerp(level, aim, share) for level, aim in pairs]
        static = torch.lerp(self.static, other.static, share)
        return replace(self, levels=levels, static=static, between=(self, other, share))

    def render(self, warp: FrameWarp, *, use_box: bool = True) -> Tensor:
        """Renders one frame.

        Args:
            warp: The frame's displacements.
            use_box: Computes only the bounding box of the mask; the result is the same without.

        Returns:
            ``[1, 3, H, W]`` in [-1, 1]; equal to ``static`` where the mask is 0.
        """
        is_single = all(t.dtype == torch.float32 for t in (*self.levels, warp.from_start))
        if warp.direction == "backward" or warp.use_planar_splatting or not is_single:
            return self._render_plainly(warp)
        if not runs_native(self.static.device, warp.backend):
            return self._render_plainly(warp)
        height, width = self.static.shape[2:]
        return torch.ops.stylecinegan.render_frame(
            self._packed,
            warp.from_start,
            warp.from_end,
            warp.border,
            warp.progress,
            SMALLEST_WEIGHT,
            warp.use_hole_filling,
            self.edges_fade,
            WAVELENGTH if self.use_contrast_preservation else 0.0,
            self.static,
            self.mask,
            self._box if use_box else (0, height, 0, width),
            self._losses,
        )

    @cached_property
    def _losses(self) -> Tensor:
        """Losses of sharpness, ``[levels, 2]``, on the CPU; 0 where they are not compensated."""
        if self.between is not None:
            return self.between[0]._losses
        losses = [torch.zeros(2) for _ in self.levels]
        if self.use_contrast_preservation:
            losses[1:] = [sharpness_loss(level, self.mask).cpu() for level in self.levels[1:]]
        return torch.stack(losses).float()

    @cached_property
    def _packed(self) -> list[Tensor]:
        """Levels in the layout of the compiled operators: RGB times weight, then weight.

        ``[H, W, 4]`` each.
        """
        if self.between is not None:  # cheaper than packing again
            start, end, share = self.between
            pairs = zip(start._packed, end._packed, strict=True)
            return [torch.lerp(level, aim, share) for level, aim in pairs]
        packed = []
        for level, weight in zip(self.levels, self.weights, strict=True):
            weight = torch.ones_like(level[:, :1]) if weight is None else weight
            interleaved = level.new_empty(*level.shape[2:], 4)
            for channel in range(3):  # in place: a photo has no memory for copies of its size
                interleaved[..., channel] = level[0, channel] * weight[0, 0]
            interleaved[..., 3] = weight[0, 0]
            packed.append(interleaved)
        return packed

    @cached_property
    def _box(self) -> tuple[int, int, int, int]:
        """Bounding box of the mask: first row, end row, first column, end column."""
        moves = self.mask[0, 0] > 0
        rows, columns = (moves.any(dim=axis).nonzero().flatten() for axis in (1, 0))
        if not rows.numel():
            return (0, 1, 0, 1)
        return (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)

    def _render_plainly(self, warp: FrameWarp) -> Tensor:
        """The specification of the compiled operator, in PyTorch."""
        image: Tensor | None = None
        for number, (level, weight) in enumerate(zip(self.levels, self.weights, strict=True)):
            if self.use_contrast_preservation and number > 0:
                if warp.direction == "forward":
                    warped, shares = warp_sharply(warp, level, weight, self._losses[number])
                else:
                    warped, shares = warp(level, weight)
                warped = warped / contrast(warp, shares)
            else:
                warped, _ = warp(level, weight)
            image = warped if image is None else self._enlarge(image, warped) + warped
        assert image is not None
        return torch.addcmul(self.static, self.mask, image).clamp_(-1.0, 1.0)

    def _enlarge(self, image: Tensor, like: Tensor) -> Tensor:
        return upsample(image) if self.edges_fade else enlarge(image, like.shape[2:])


def contrast(warp: FrameWarp, shares: Tensor) -> Tensor:
    """Standard deviation that the blend of two textures keeps: ``sqrt(a² + b² + 2abρ)``.

    a and b = 1 - a are the normalised weight sums, ρ = exp(-(d / λ)²) the correlation of a texture
    of wavelength λ at two points of distance d.

    Args:
        warp: The frame's displacements.
        shares: Weight sums of frame 0 and frame N, ``[1, 2, H, W]``.

    Returns:
        ``[1, 1, H, W]``, in (0, 1].
    """
    height, width = shares.shape[2:]
    separation = warp.separation * (width / warp.inner_size[1])
    correlation = enlarge(torch.exp(-(separation / WAVELENGTH).square()), (height, width))
    a = shares[:, :1] / shares.sum(dim=1, keepdim=True).clamp_(min=SMALLEST_WEIGHT)
    # With b = 1 - a the sum is 1 - 2 a (1 - a) (1 - ρ).
    loss = (a - a.square()).mul_(2.0).mul_(1.0 - correlation)
    return loss.neg_().add_(1.0).sqrt_()
