"""Borders of a photo that show nothing: bars of one colour, frames, transparent margins."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.prediction import MaskPrediction

SAME_COLOUR = 10 / 127.5
"""Difference of a channel, in units of the photo, up to which JPEG's noise in a bar goes."""

OTHER_COLOUR = 24 / 127.5
"""Difference of a channel from which on a pixel is certainly no bar."""

BAR_SHARE = 0.85
"""Share of a row that has the bar's colour; the rest may be a caption."""

LARGEST_SHARE = 0.4
"""Of the photo's side that a bar takes at most."""

LARGEST_ALONE = 0.25
"""The same without a bar on the opposite side: a white sky ends at a straight horizon as well."""

_EDGE_WIDTH = 9
"""Rows within which a bar passes into the picture: JPEG softens it by 8, resampling by some."""

_FRAMES = 4
"""Frames within each other: a mat in a line in a mat."""

_SMALLEST_SIDE = 64
"""Of what is left, in pixels: nothing is predicted of a smaller picture."""

_VISIBLE = 0.02
"""Opacity from which on a pixel shows something."""


@dataclass(frozen=True)
class SceneBox:
    """The part of a photo that shows a scene, in pixels: rows and columns from, to before.

    Attributes:
        top: First row.
        bottom: Row behind the last one.
        left: First column.
        right: Column behind the last one.
    """

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, image: Tensor) -> Tensor:
        """Cuts the scene out of ``[B, C, H, W]``."""
        return image[..., self.top : self.bottom, self.left : self.right]

    def covers(self, size: tuple[int, int]) -> bool:
        """Says whether the scene is the whole photo of (height, width)."""
        return (self.top, self.bottom, self.left, self.right) == (0, size[0], 0, size[1])

    def embed(self, values: Tensor, size: tuple[int, int], fill: float = 0.0) -> Tensor:
        """Puts a map of the scene back into one of the whole photo.

        Args:
            values: ``[B, C, h, w]`` of any resolution.
            size: (height, width) of the photo.
            fill: Value outside the scene.

        Returns:
            ``[B, C, H, W]`` of about the same resolution, exactly that of the photo where
            ``values`` has it.
        """
        height, width = values.shape[2:]
        down, across = height / (self.bottom - self.top), width / (self.right - self.left)
        top, left = round(self.top * down), round(self.left * across)
        bottom = max(0, round(size[0] * down) - top - height)
        right = max(0, round(size[1] * across) - left - width)
        return F.pad(values, (left, right, top, bottom), value=fill)

    def embed_prediction(self, prediction: MaskPrediction, size: tuple[int, int]) -> MaskPrediction:
        """Puts the prediction of the scene back into the whole photo, static around it."""
        classes = prediction.classes
        static = self.embed(torch.zeros_like(classes.probabilities[:, :1]), size, 1.0)
        moving = self.embed(classes.probabilities[:, 1:], size)
        return MaskPrediction(
            self.embed(prediction.mask, size),
            PixelClasses(
                torch.cat([static + self.embed(classes.probabilities[:, :1], size), moving], 1),
                self.embed(classes.vote, size),
                self.embed(classes.confidence, size, 1.0),
                None if classes.falling is None else self.embed(classes.falling, size),
            ),
        )


def find_scene(photo: Tensor, opacity: Tensor | None = None) -> SceneBox:
    """Finds the part of a photo within its bars, frames and transparent margins.

    A bar has one colour from the photo's edge on, all along it, and ends in a straight, sharp
    edge; a blown-out sky does not.

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].
        opacity: ``[1, 1, H, W]`` in [0, 1], if something is transparent.

    Returns:
        The part; the whole photo if it is all there is.
    """
    height, width = photo.shape[2:]
    rows, columns = (0, height), (0, width)
    if opacity is not None:
        is_visible = opacity[0, 0] > _VISIBLE
        if not bool(is_visible.any()):
            return SceneBox(*rows, *columns)
        rows, columns = (_extent(is_visible.any(dim=axis)) for axis in (1, 0))
    for _ in range(_FRAMES):
        before = rows, columns
        part = photo[0, :, rows[0] : rows[1], columns[0] : columns[1]]
        top, bottom = _find_bars(part)
        rows = rows[0] + top, rows[1] - bottom
        part = photo[0, :, rows[0] : rows[1], columns[0] : columns[1]]
        left, right = _find_bars(part.transpose(1, 2))
        columns = columns[0] + left, columns[1] - right
        if (rows, columns) == before:
            break
    if min(rows[1] - rows[0], columns[1] - columns[0]) < _SMALLEST_SIDE:
        return SceneBox(0, height, 0, width)
    return SceneBox(*rows, *columns)


def visible(opacity: Tensor) -> Tensor:
    """Says where a photo shows something, 1 or 0, of its opacity in [0, 1]."""
    return (opacity > _VISIBLE).to(opacity)


def _extent(flags: Tensor) -> tuple[int, int]:
    places = flags.nonzero()
    return int(places[0]), int(places[-1]) + 1


def _find_bars(picture: Tensor) -> tuple[int, int]:
    """Widths of the bars at the first and last rows of ``[3, H, W]``."""
    first, last = _find_bar(picture), _find_bar(picture.flip(1))
    alone = LARGEST_ALONE * picture.shape[1]
    if first > alone and last < first / 2:
        first = 0
    if last > alone and first < last / 2:
        last = 0
    return first, last


def _find_bar(picture: Tensor) -> int:
    """Width of the bar at the first rows of ``[3, H, W]``, 0 if there is none."""
    edge = picture[:, 0]
    colour = edge.median(dim=1).values.view(3, 1, 1)
    if bool(((edge - colour[..., 0]).abs() > SAME_COLOUR).any()):
        return 0
    limit = min(int(LARGEST_SHARE * picture.shape[1]), picture.shape[1] - 2 * _EDGE_WIDTH)
    difference = (picture[:, : limit + 2 * _EDGE_WIDTH] - colour).abs().amax(dim=0)
    is_bar = (difference <= SAME_COLOUR).float().mean(dim=1) >= BAR_SHARE
    if bool(is_bar.all()):
        return 0
    width = int((~is_bar).nonzero()[0])
    if width > limit:
        return 0
    differs = (difference[width : width + _EDGE_WIDTH] > OTHER_COLOUR).float().mean(dim=1) >= 0.5
    if not bool(differs.any()):
        return 0
    end = width + int(differs.nonzero()[0])
    # A night that fades in has no edge: most of the way is made within a few rows.
    jump = (picture[:, end + 1] - picture[:, max(0, end - 2)]).abs().mean()
    if jump < 0.5 * (picture[:, end + 4] - colour[..., 0]).abs().mean():
        return 0
    # The first row may be a mixture with the bar.
    level, next_level = ((picture[:, row] - colour[..., 0]).abs().mean() for row in (end, end + 2))
    return end + int(level < 0.75 * next_level)
