"""Photos with transparency: alpha channel, resizing and compositing."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor


def split_opacity(image: Tensor) -> tuple[Tensor, Tensor | None]:
    """Separates colours and opacity.

    Args:
        image: ``[1, 3, H, W]`` or, with alpha, ``[1, 4, H, W]``, in [-1, 1].

    Returns:
        Colours, ``[1, 3, H, W]`` in [-1, 1], and opacity, ``[1, 1, H, W]`` in [0, 1], ``None``
        without alpha.
    """
    if image.shape[1] == 3:
        return image, None
    return image[:, :3].contiguous(), (image[:, 3:] + 1.0) / 2.0


def resize_transparent(
    photo: Tensor, opacity: Tensor, resize: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Resizes colours and opacity without bleeding of invisible colours (premultiplied alpha).

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].
        opacity: ``[1, 1, H, W]`` in [0, 1].
        resize: Resizes a picture in [-1, 1].

    Returns:
        Colours and opacity of the new size; transparent pixels are white.
    """
    seen = resize(opacity * 2.0 - 1.0) / 2.0 + 0.5
    light = resize(opacity * (photo + 1.0) - 1.0) + 1.0  # in [0, 2]
    colours = torch.where(seen > 0.5 / 255, light / seen.clamp(min=1e-3) - 1.0, 1.0)
    return colours.clamp(-1.0, 1.0), seen


def lay_on_white(frames: Iterable[Tensor], opacities: Iterable[Tensor]) -> Iterator[Tensor]:
    """Composites frames over white.

    Args:
        frames: ``[1, 3, H, W]`` in [-1, 1].
        opacities: One for each, ``[1, 1, H, W]`` in [0, 1]; they may outlast the frames.

    Yields:
        ``[1, 3, H, W]`` in [-1, 1].
    """
    for frame, opacity in zip(frames, opacities, strict=False):
        yield torch.lerp(torch.ones_like(frame), frame, opacity)


def add_alpha(frames: Iterable[Tensor], opacities: Iterable[Tensor]) -> Iterator[Tensor]:
    """Appends its opacity to every frame.

    Args:
        frames: ``[1, 3, H, W]`` in [-1, 1].
        opacities: One for each, ``[1, 1, H, W]`` in [0, 1]; they may outlast the frames.

    Yields:
        ``[1, 4, H, W]`` in [-1, 1].
    """
    for frame, opacity in zip(frames, opacities, strict=False):
        yield torch.cat([frame, opacity * 2.0 - 1.0], dim=1)
