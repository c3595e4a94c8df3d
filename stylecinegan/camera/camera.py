"""Camera moves that are periodic in the loop."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.camera.resampling import read_bilinear, resample
from stylecinegan.camera.slopes import limit_slope
from stylecinegan.errors import InputError
from stylecinegan.warping.displacement import pixel_grid

Move = Literal["push", "slide"]
MOVES = ("none", *get_args(Move))

AMOUNT = 0.05
"""Displacement of the nearest points, as a fraction of the picture's longer side."""

LARGEST_AMOUNT = 0.2
"""Largest displacement of the nearest points, as a fraction of the longer side."""

FAR_SHARE = 0.3
"""Displacement at infinite depth in a push, relative to the nearest points; the sky moves too."""

STEEPEST = 0.4
"""Largest gradient of the displacement; from 1 on the picture would fold over."""

NUM_ITERATIONS = 6
"""Fixed-point iterations of the map's inversion; each reduces the error to at most 0.4 of it."""


@dataclass(frozen=True)
class Camera:
    """A camera that moves and returns over the loop.

    A point s of the picture with nearness n is at p in frame t of N:

    - push, towards the focus f and back: ``p = f + (s - f) / (1 - b (0.3 + 0.7 n))`` with
      ``b = a (1 - cos 2πt/N)``;
    - slide, from side to side about the middle nearness m: ``p = c + z (s + b (n - m) - c)`` in x,
      ``p = c + z (s - c)`` in y, with ``b = a L/2 sin 2πt/N``, L the longer side. z is the smallest
      zoom about the centre c that hides the picture's borders.

    Nearness is linear on a plane, so a push maps straight lines on it to straight lines.

    Attributes:
        move: ``"push"`` or ``"slide"``.
        nearness: n, ``[1, 1, h, w]`` in [0, 1], of any size; gradients that would fold the picture
            are limited.
        amount: a, largest displacement of the nearest points as a fraction of the longer side, at
            the picture's edge (push) or relative to the farthest points (slide), in (0, 0.2].
        focus: f, (x, y) in normalised coordinates, inside the picture.

    Raises:
        InputError: If the move is unknown, or the amount out of range.
    """

    move: Move
    nearness: Tensor
    amount: float = AMOUNT
    focus: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        check_camera(self.move, self.amount)

    def reproject(self, image: Tensor, frame: int, num_frames: int) -> Tensor:
        """Reprojects a picture to the camera of a frame, by one bicubic resampling.

        Args:
            image: ``[1, C, H, W]`` in [-1, 1].
            frame: t, any whole number.
            num_frames: N.

        Returns:
            ``[1, C, H, W]`` in [-1, 1]; the picture itself at the start of a push.
        """
        turn = 2.0 * math.pi * (frame % num_frames) / num_frames
        progress = 0.5 - 0.5 * math.cos(turn) if self.move == "push" else math.sin(turn)
        if self.move == "push" and progress == 0.0:
            return image
        return resample(image, self.source(progress, (image.shape[2], image.shape[3])))

    def source(self, progress: float, size: tuple[int, int]) -> Tensor:
        """Computes the source s of each pixel p, by inverting the map from s to p.

        Args:
            progress: Position on the camera's path, in [0, 1] (push) or [-1, 1] (slide).
            size: (height, width) of the picture.

        Returns:
            ``[1, 2, H, W]``, (x, y) in pixels.
        """
        # Fixed-point iteration for n(s) on the small map, where it is smooth and cheap.
        near = self._limited_nearness
        for _ in range(NUM_ITERATIONS):
            near = read_bilinear(self._limited_nearness, self._source(near, progress))
        near = F.interpolate(near, size, mode="bilinear", align_corners=False)
        return self._source(near, progress)

    def _source(self, near: Tensor, progress: float) -> Tensor:
        """Source s of each pixel p, given the nearness n(s), ``[1, 2, h, w]``."""
        height, width = near.shape[2:]
        x, y = pixel_grid(height, width, near).split(1, dim=1)
        if self.move == "push":
            left, top = self.focus[0] * width - 0.5, self.focus[1] * height - 0.5
            scale = 1.0 - 2.0 * self.amount * progress * (FAR_SHARE + (1.0 - FAR_SHARE) * near)
            return torch.cat([left + (x - left) * scale, top + (y - top) * scale], dim=1)
        middle, scale = self._middle_and_scale
        left, top = (width - 1) / 2, (height - 1) / 2
        shift = 0.5 * self.amount * progress * max(height, width) * (near - middle)
        return torch.cat([left + (x - left) * scale - shift, top + (y - top) * scale], dim=1)

    @cached_property
    def _limited_nearness(self) -> Tensor:
        """Nearness with limited gradients."""
        height, width = self.nearness.shape[2:]
        if self.move == "slide":
            return limit_slope(self.nearness, STEEPEST / (0.5 * self.amount * max(height, width)))
        x, y = self.focus
        reach = math.hypot(max(x, 1.0 - x) * width, max(y, 1.0 - y) * height)
        return limit_slope(
            self.nearness, STEEPEST / (2.0 * self.amount * (1.0 - FAR_SHARE) * reach)
        )

    @cached_property
    def _middle_and_scale(self) -> tuple[float, float]:
        """The middle nearness m and 1 / z of a slide, from the nearness at both sides."""
        near = self._limited_nearness
        height, width = near.shape[2:]
        share = 0.5 * self.amount * max(height, width) / width
        edge = min(width, math.ceil(share * width) + 1)
        sides = torch.cat([near[..., :edge], near[..., -edge:]], dim=3)
        least, most = float(sides.amin()), float(sides.amax())
        return (least + most) / 2.0, 1.0 - 2.0 * share * (most - least) / 2.0


def check_camera(move: str, amount: float = AMOUNT) -> None:
    """Checks the settings of a camera move, which may be ``"none"``.

    Raises:
        InputError: If the move is unknown, or the amount out of range.
    """
    if move not in MOVES:
        raise InputError(f"camera must be one of {', '.join(MOVES)}, got {move}")
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    if not is_number or not 0.0 < amount <= LARGEST_AMOUNT:  # a NaN is not between them
        raise InputError(
            f"camera_amount must be a number above 0, of at most {LARGEST_AMOUNT}, got {amount}"
        )
