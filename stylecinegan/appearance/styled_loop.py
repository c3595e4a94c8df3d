"""The loop of a photo, whose style may change over time (Eqs. 1 to 7)."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from stylecinegan.appearance.restyling import restyling, style_path
from stylecinegan.appearance.style_change import StyleChange
from stylecinegan.appearance.styled_photo import StyledPhoto, prepare_photo
from stylecinegan.generator import Generator
from stylecinegan.inversion import Inversion
from stylecinegan.warping.frame_queue import choose_num_at_once, render_ahead
from stylecinegan.warping.settings import Warping, extend, frame_warps


def prepare_loop(
    generator: Generator,
    invert: Callable[[], Inversion],
    image: Tensor,
    mask: Tensor,
    motion: Tensor,
    num_frames: int,
    *,
    settings: Warping,
    style: StyleChange | None = None,
) -> Callable[[], Iterator[Tensor]]:
    """Prepares a photo, and its restyled versions, for animation.

    Args:
        generator: The generator.
        invert: Computes the photo's inversion; called only if the rendering or the style needs it.
        image: I, ``[1, 3, H, W]`` in [-1, 1].
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        motion: M times S, ``[1, 2, H, W]``, pixels per frame.
        num_frames: N.
        settings: Settings of the rendering.
        style: Change of style over the loop, none by default.

    Returns:
        A function that renders the loop: an iterator over ``[1, 3, H, W]`` in [-1, 1].

    Raises:
        InputError: If the settings or the style do not fit the generator.
    """
    extended_mask = extend(mask)

    def prepare(invert: Callable[[], Inversion], photo: Tensor) -> StyledPhoto:
        return prepare_photo(generator, invert, photo, extended_mask, settings)

    plain = prepare(invert, extend(image))
    photo_at = None
    if style is not None:
        layer = settings.first_rgb_layer
        restyled = restyling(generator, invert(), image, style, first_rgb_layer=layer)
        photo_at = style_path(
            restyled, plain, style, lambda styled, photo: prepare(lambda: styled, photo)
        )
    return partial(_render, plain, photo_at, motion, num_frames, settings)


@torch.no_grad()
def _render(
    plain: StyledPhoto,
    photo_at: Callable[[float], StyledPhoto] | None,
    motion: Tensor,
    num_frames: int,
    settings: Warping,
) -> Iterator[Tensor]:
    """Yields the frames of a loop, of the motion's size.

    Args:
        plain: The extended photo without a change of style.
        photo_at: Function from t / N to the restyled photo; ``None`` without a change of style.
        motion: M times S.
        num_frames: N.
        settings: Settings of the rendering.
    """
    photo, (height, width) = plain.photo, motion.shape[2:]
    pending = (
        (plain if photo_at is None else photo_at(warp.progress), warp)
        for warp in frame_warps(motion, photo.shape[2:], num_frames, settings)
    )
    # A frame of an unfolded generator is a few long operations, which use all cores by themselves.
    num_at_once = choose_num_at_once(photo) if plain.is_linear else 1
    for frame in render_ahead(pending, lambda pair: pair[0].render(pair[1]), num_at_once):
        yield frame[:, :, :height, :width]
