"""Detection of letterbox bars, frames and transparent margins of a photo."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.prediction import MaskPrediction

SAME_COLOUR = 10 / 127.5
"""Largest difference per channel from a bar's colour, in units of the photo; bounds JPEG noise."""

OTHER_COLOUR = 24 / 127.5
"""Difference per channel above which a pixel is certainly outside a bar."""

BAR_EVIDENCE = (0.85, 0.95, OTHER_COLOUR)
"""Smallest fraction of a bar's row with its colour, where the rest may be a caption; the same of
the outermost row, where the rest may be JPEG noise; difference from the colour beyond the bar."""

FRAME_EVIDENCE = (0.6, 0.6, 16 / 127.5)
"""The same for a side of a frame whose bars at a corner are found: a mat may have a wide caption,
and surround fog."""

LARGEST_SHARE = 0.4
"""Largest width of a bar, as a fraction of the photo's side."""

LARGEST_ALONE = 0.25
"""The same without a bar on the opposite side: a white sky may end at a straight horizon too."""

_EDGE_WIDTH = 9
"""Largest width of a bar's edge, in rows: JPEG blurs it over 8 rows, resampling over a few."""

_FRAMES = 4
"""Largest number of nested frames, such as a mat in a line in a mat."""

_SMALLEST_SIDE = 64
"""Smallest side of a scene within borders, in pixels; below it, there are none."""

_VISIBLE = 0.02
"""Opacity above which a pixel is visible."""


@dataclass(frozen=True)
class SceneBox:
    """Bounding box of the scene in a photo, in pixels.

    Attributes:
        top: First row.
        bottom: Row after the last one.
        left: First column.
        right: Column after the last one.
    """

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, image: Tensor) -> Tensor:
        """Cuts the scene out of ``[B, C, H, W]``."""
        return image[..., self.top : self.bottom, self.left : self.right]

    def covers(self, size: tuple[int, int]) -> bool:
        """Whether the box is the whole photo of size (height, width)."""
        return (self.top, self.bottom, self.left, self.right) == (0, size[0], 0, size[1])

    def embed(self, values: Tensor, size: tuple[int, int], fill: float = 0.0) -> Tensor:
        """Pads a map of the scene to the whole photo.

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
        """Pads a prediction for the scene to the whole photo, static outside the scene."""
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
    """Finds the scene inside a photo's bars, frames and transparent margins.

    A bar has one colour along the whole side of the photo and a straight, sharp inner edge; a
    blown-out sky has not. Where two bars meet at a corner, the other sides of the frame need
    less evidence.

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].
        opacity: Alpha channel, ``[1, 1, H, W]`` in [0, 1], if the photo has one.

    Returns:
        The scene's box, the whole photo if there are no borders.
    """
    height, width = photo.shape[2:]
    rows, columns = (0, height), (0, width)
    if opacity is not None:
        is_visible = opacity[0, 0] > _VISIBLE
        if not bool(is_visible.any()):
            return SceneBox(*rows, *columns)
        rows, columns = (_extent(is_visible.any(dim=axis)) for axis in (1, 0))
    for _ in range(_FRAMES):
        part = photo[0, :, rows[0] : rows[1], columns[0] : columns[1]]
        widths = _find_frame(part)
        if not any(widths):
            break
        top, bottom, left, right = widths
        rows, columns = (rows[0] + top, rows[1] - bottom), (columns[0] + left, columns[1] - right)
    if min(rows[1] - rows[0], columns[1] - columns[0]) < _SMALLEST_SIDE:
        return SceneBox(0, height, 0, width)
    return SceneBox(*rows, *columns)


def visible(opacity: Tensor) -> Tensor:
    """Binary map of the visible pixels, from an opacity in [0, 1]."""
    return (opacity > _VISIBLE).to(opacity)


def _extent(flags: Tensor) -> tuple[int, int]:
    places = flags.nonzero()
    return int(places[0]), int(places[-1]) + 1


def _find_frame(picture: Tensor) -> list[int]:
    """Widths of the bars at the top, bottom, left and right of ``[3, H, W]``."""
    widths = [*_find_bars(picture), 0, 0]
    widths[2:] = _find_bars(_inside(picture, widths).transpose(1, 2))
    found = [side for side, width in enumerate(widths) if width > 0]
    if any(widths[:2]) and any(widths[2:]):  # a corner of a frame
        colour = _edge_colour(_outside_in(picture, found[0]))
        for side in {0, 1, 2, 3}.difference(found):
            widths[side] = _find_bar(_outside_in(_inside(picture, widths), side), colour)
    return widths


def _inside(picture: Tensor, widths: list[int]) -> Tensor:
    (top, bottom, left, right), (height, width) = widths, picture.shape[1:]
    return picture[:, top : height - bottom, left : width - right]


def _outside_in(picture: Tensor, side: int) -> Tensor:
    """Turns a picture so that its first row is the outermost one of a side."""
    turned = picture if side < 2 else picture.transpose(1, 2)
    return turned.flip(1) if side % 2 else turned


def _edge_colour(picture: Tensor) -> Tensor:
    return picture[:, 0].median(dim=1).values


def _find_bars(picture: Tensor) -> tuple[int, int]:
    """Widths of the bars at the first and last rows of ``[3, H, W]``."""
    first, last = _find_bar(picture), _find_bar(picture.flip(1))
    alone = LARGEST_ALONE * picture.shape[1]
    if first > alone and last < first / 2:
        first = 0
    if last > alone and first < last / 2:
        last = 0
    return first, last


def _find_bar(picture: Tensor, frame_colour: Tensor | None = None) -> int:
    """Width of the bar at the first rows of ``[3, H, W]``, 0 if there is none.

    Args:
        picture: A side's outermost row comes first.
        frame_colour: Colour of the bars at other sides; then less evidence is enough.
    """
    colour = _edge_colour(picture) if frame_colour is None else frame_colour
    share, edge_share, least = BAR_EVIDENCE if frame_colour is None else FRAME_EVIDENCE
    colour = colour.view(3, 1, 1)
    edge = (picture[:, 0] - colour[..., 0]).abs().amax(dim=0)
    has_content = frame_colour is None and bool((edge > OTHER_COLOUR).any())
    if has_content or float((edge <= SAME_COLOUR).float().mean()) < edge_share:
        return 0
    limit = min(int(LARGEST_SHARE * picture.shape[1]), picture.shape[1] - 2 * _EDGE_WIDTH)
    difference = (picture[:, : limit + 2 * _EDGE_WIDTH] - colour).abs().amax(dim=0)
    is_bar = (difference <= SAME_COLOUR).float().mean(dim=1) >= share
    if bool(is_bar.all()):
        return 0
    width = int((~is_bar).nonzero()[0])
    if width > limit:
        return 0
    differs = (difference[width : width + _EDGE_WIDTH] > least).float().mean(dim=1) >= 0.5
    if not bool(differs.any()):
        return 0
    end = width + int(differs.nonzero()[0])
    # Most of the change must happen within a few rows: a night sky fades in without an edge.
    jump = (picture[:, end + 1] - picture[:, max(0, end - 2)]).abs().mean()
    if jump < 0.5 * (picture[:, end + 4] - colour[..., 0]).abs().mean():
        return 0
    # The first row of the scene may be mixed with the bar.
    level, next_level = ((picture[:, row] - colour[..., 0]).abs().mean() for row in (end, end + 2))
    return end + int(level < 0.75 * next_level)
