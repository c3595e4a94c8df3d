"""Rendering settings, and the displacements of each frame of the loop."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.ops import Backend
from stylecinegan.warping.displacement import (
    Sampling,
    integrate_motion,
    reflect,
    resize_displacement,
)
from stylecinegan.warping.frame_warp import Direction, FrameWarp

SIDE_MULTIPLE = 32
"""Photos are padded to sides divisible by this, for six levels of half the size each."""

INTEGRATION_SIDE = 512
"""Largest side of the map that motion is integrated on, as in the released code."""


@dataclass(frozen=True)
class Warping:
    """Settings of the rendering; the defaults are those of ``stylecinegan generate``.

    Attributes:
        warp_layers: Layers that are warped; by default the even ones from 10 on (the paper's).
        first_rgb_layer: First layer that contributes to the picture.
        direction: Forward or backward warping.
        use_folding: Applies to-RGB before the warp; the result is the same, but faster.
        use_detail_transfer: This and the next two are explained by
            :class:`~stylecinegan.warping.photo_layer.moving_layer.MovingLayer`; they
            need even warp layers.
        use_moving_content_only: As above.
        use_contrast_preservation: As above.
        use_hole_filling: Fills pixels that no source is splatted to.
        use_planar_splatting: Splats planes instead of points, so that no dots show where the flow
            diverges (:func:`~stylecinegan.warping.planar_splatting.planar_splat`); forward, and
            without contrast preservation.
        use_replicated_borders: Keeps lines at the picture's edges from moving into the picture
            (:func:`~stylecinegan.warping.replicated_borders.compose_with_replicated_borders`);
            the three additions above do so by themselves.
        sampling: Interpolation of the motion between pixels.
        period: N, by default the number of frames; the released code uses one less.
        backend: Implementation of the splat.
    """

    warp_layers: Sequence[int] | None = None
    first_rgb_layer: int = FEATURE_LAYER
    direction: Direction = "forward"
    use_folding: bool = True
    use_detail_transfer: bool = True
    use_moving_content_only: bool = True
    use_contrast_preservation: bool = True
    use_hole_filling: bool = True
    use_planar_splatting: bool = False
    use_replicated_borders: bool = False
    sampling: Sampling = "bilinear"
    period: int | None = None
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        """Checks that planar splatting is not combined with contrast preservation.

        Raises:
            InputError: If it is: contrast preservation has its own compensation of blur.
        """
        if self.use_planar_splatting and self.use_contrast_preservation:
            raise InputError(
                "use_planar_splatting wants use_contrast_preservation=false, found true: "
                "use it with the paper's rendering"
            )

    @classmethod
    def of_the_paper(cls, **changes: object) -> "Warping":
        """Settings of the paper's rendering, without this project's additions."""
        settings: dict = {
            "use_detail_transfer": False,
            "use_moving_content_only": False,
            "use_contrast_preservation": False,
        }
        return cls(**{**settings, **changes})

    @property
    def uses_moving_layer(self) -> bool:
        """Whether any of this project's additions is used."""
        return (
            self.use_detail_transfer
            or self.use_moving_content_only
            or self.use_contrast_preservation
        )

    @property
    def shows_generator(self) -> bool:
        """Whether frames depend on the generator's picture.

        With contrast preservation, the warped levels are frequency bands of the rendered picture,
        which with detail transfer is the photo itself.
        """
        return not (self.use_detail_transfer and self.use_contrast_preservation)


def frame_warps(
    motion: Tensor, size: Sequence[int], num_frames: int, settings: Warping
) -> Iterator[FrameWarp]:
    """Yields the displacements of every frame (Eqs. 1 and 3).

    Args:
        motion: M times S, ``[1, 2, H, W]``, pixels per frame of the photo.
        size: Height and width of the padded photo, divisible by 32.
        num_frames: Frames of the loop.
        settings: Rendering settings.
    """
    height, width = size
    motion = extend(motion)
    halvings = 0
    while max(height, width) >> halvings > INTEGRATION_SIDE and halvings < 5:
        halvings += 1
    motion = resize_displacement(motion, (height >> halvings, width >> halvings))
    border = _inflow_border(motion, num_frames, SIDE_MULTIPLE >> halvings)
    motion = reflect(motion, border)
    if settings.direction == "backward":
        motion = -motion  # the source of a pixel lies against the motion
    period = settings.period or num_frames
    pairs = integrate_motion(
        motion,
        num_frames,
        period=period,
        sampling=settings.sampling,
        backend=settings.backend,
    )
    for frame, (from_start, from_end) in enumerate(pairs):
        yield FrameWarp(
            from_start,
            from_end,
            frame / period,
            border,
            settings.direction,
            settings.use_hole_filling,
            settings.backend,
            settings.use_planar_splatting,
        )


def _inflow_border(motion: Tensor, num_frames: int, multiple: int) -> tuple[int, int]:
    """Padding needed for inflow at the borders, (rows, columns).

    Edges of the picture without motion need none.
    """
    x, y = motion[0].abs()
    crosses_rows = max(y[0].max().item(), y[-1].max().item()) > 1e-3
    crosses_columns = max(x[:, 0].max().item(), x[:, -1].max().item()) > 1e-3

    def reach(speed: Tensor) -> int:
        return -(-int(speed.max().item() * num_frames + 1) // multiple) * multiple

    return (reach(y) if crosses_rows else 0, reach(x) if crosses_columns else 0)


def extend(image: Tensor) -> Tensor:
    """Pads ``[B, C, H, W]`` by reflection at the bottom and right to sides divisible by 32."""
    rows, columns = (-side % SIDE_MULTIPLE for side in image.shape[2:])
    if not rows and not columns:
        return image
    extended = reflect(image, (rows, columns))
    return extended[:, :, rows:, columns:].contiguous()
