"""Warps maps of any resolution to one frame of the loop."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.ops import Backend
from stylecinegan.warping.displacement import pixel_grid, resize_displacement
from stylecinegan.warping.joint_splatting import joint_splat
from stylecinegan.warping.planar_splatting import planar_splat

Direction = Literal["forward", "backward"]

HOLE_WINDOW = 7
"""Side of the box filter that fills holes."""


@dataclass(frozen=True)
class FrameWarp:
    """The displacements of one frame, ready for maps of any resolution.

    Attributes:
        from_start: F(0→t), ``[1, 2, h + 2 rows, w + 2 columns]``, pixels of that map. Forward
            displacements point to a pixel's target, backward ones to its source.
        from_end: F(N→t), likewise.
        progress: t / N in [0, 1).
        border: (rows, columns) of padding on each side of the displacements, from where content
            flows into the picture.
        direction: Forward warping (joint splatting, Eq. 3) or backward warping (the ablation).
        use_hole_filling: Fills pixels that no source is splatted to.
        backend: Implementation of the splat.
        use_planar_splatting: Splats planes instead of points, which leaves no holes
            (:func:`~stylecinegan.warping.planar_splatting.planar_splat`).
    """

    from_start: Tensor
    from_end: Tensor
    progress: float
    border: tuple[int, int] = (0, 0)
    direction: Direction = "forward"
    use_hole_filling: bool = True
    backend: Backend = "auto"
    use_planar_splatting: bool = False
    _resized: dict = field(default_factory=dict, repr=False)

    def __call__(self, feature: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Warps a map that covers the whole picture.

        Args:
            feature: ``[1, C, H, W]``, any resolution.
            weight: Weight of each source pixel in the blend, ``[1, 1, H, W]``, by default 1.

        Returns:
            The warped map ``[1, C, H, W]``, and the weight sums of frame 0 and frame N,
            ``[1, 2, H, W]``.
        """
        from_start, from_end = self.displacements(feature.shape[2], feature.shape[3])
        if self.direction == "backward":
            blended = _warp_backward(feature, from_start, from_end, self.progress)
            shares = feature.new_tensor([1.0 - self.progress, self.progress])
            return blended, shares.view(1, 2, 1, 1).expand(1, 2, *feature.shape[2:])
        if self.use_planar_splatting:
            return planar_splat(
                feature, weight, from_start, from_end, self.progress, backend=self.backend
            )
        blended, shares = joint_splat(
            feature, weight, from_start, from_end, self.progress, backend=self.backend
        )
        if self.use_hole_filling:
            blended = fill_holes(blended, shares)
        return blended, shares

    def displacements(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """F(0→t) and F(N→t) in pixels of a map of this size, with the border scaled along."""
        if (height, width) not in self._resized:
            inner_height, inner_width = self.inner_size
            rows = self.border[0] * height // inner_height
            columns = self.border[1] * width // inner_width
            size = (height + 2 * rows, width + 2 * columns)
            self._resized[height, width] = (
                resize_displacement(self.from_start, size, backend=self.backend),
                resize_displacement(self.from_end, size, backend=self.backend),
            )
        return self._resized[height, width]

    @property
    def inner_size(self) -> tuple[int, int]:
        """Height and width of the displacement maps without their border."""
        height, width = self.from_start.shape[2:]
        return height - 2 * self.border[0], width - 2 * self.border[1]

    @cached_property
    def separation(self) -> Tensor:
        """Distance of the two source points that meet at a pixel, ``[1, 1, h, w]``, in pixels."""
        rows, columns = self.border
        height, width = self.inner_size
        difference = (self.from_start - self.from_end)[
            :, :, rows : rows + height, columns : columns + width
        ]
        return difference.square().sum(dim=1, keepdim=True).sqrt()


def fill_holes(blended: Tensor, shares: Tensor) -> Tensor:
    """Fills holes, pixels of zero weight, with the mean of their neighbours of positive weight.

    Args:
        blended: Result of joint splatting, ``[B, C, H, W]``, zero in holes.
        shares: Its weight sums, ``[B, 2, H, W]``.

    Returns:
        ``[B, C, H, W]``; pixels without such a neighbour in a 7x7 window stay zero, so that only
        coarser levels contribute there. Linear in ``blended``, so it commutes with to-RGB, as the
        splat does.
    """
    total = shares[:, :1] + shares[:, 1:]
    if float(total.min()) > 0.0:
        return blended
    batch, rows, columns = torch.nonzero(total[:, 0] <= 0.0, as_tuple=True)
    # Only the holes are visited: there are few, and most frames have none.
    reach = torch.arange(-(HOLE_WINDOW // 2), HOLE_WINDOW // 2 + 1, device=blended.device)
    height, width = blended.shape[2:]
    y = rows[:, None, None] + reach[None, :, None]
    x = columns[:, None, None] + reach[None, None, :]
    is_inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    position = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    is_known = is_inside & (total.flatten(1)[batch[:, None, None], position] > 0.0)
    count = is_known.sum(dim=(1, 2)).clamp(min=1)
    filled = blended.clone()
    for channel in range(blended.shape[1]):
        values = blended[:, channel].flatten(1)[batch[:, None, None], position]
        filled[batch, channel, rows, columns] = (values * is_known).sum(dim=(1, 2)) / count
    return filled


def _warp_backward(
    feature: Tensor, from_start: Tensor, from_end: Tensor, progress: float
) -> Tensor:
    height, width = feature.shape[2:]
    rows, columns = (from_start.shape[2] - height) // 2, (from_start.shape[3] - width) // 2
    inner = (slice(None), slice(None), slice(rows, rows + height), slice(columns, columns + width))
    grid = pixel_grid(height, width, feature)
    extent = feature.new_tensor([max(width - 1, 1), max(height - 1, 1)]).view(1, 2, 1, 1)

    def sample(displacement: Tensor) -> Tensor:
        position = ((grid + displacement[inner]) * (2.0 / extent) - 1.0).permute(0, 2, 3, 1)
        return F.grid_sample(
            feature, position, "bilinear", padding_mode="reflection", align_corners=True
        )

    return (1.0 - progress) * sample(from_start) + progress * sample(from_end)
