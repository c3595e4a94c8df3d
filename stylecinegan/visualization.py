"""Visualisation of motions and masks; pictures are ``[1, 3, H, W]`` in [-1, 1]."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# Middlebury's wheel (Baker et al., 2011): steps from red to yellow, yellow to green and so on, as
# many as can be distinguished.
_WHEEL_STEPS = (15, 6, 4, 11, 13, 6)
_WHEEL_CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0))


def motion_to_image(
    motion: Tensor, *, max_speed: float | None = None, use_legend: bool = False
) -> Tensor:
    """Colour code of a motion: hue is direction, saturation speed; static regions are white.

    Red moves right, yellow down, blue-green left, blue and violet up, as in Middlebury's pictures.

    Args:
        motion: ``[1, 2, H, W]``, (x right, y down).
        max_speed: Speed of full saturation; by default the motion's maximum.
        use_legend: Draws a small colour wheel into the lower right corner.

    Returns:
        ``[1, 3, H, W]`` in [-1, 1].

    Raises:
        ValueError: If ``motion`` has another shape.
    """
    if motion.ndim != 4 or motion.shape[:2] != (1, 2):
        raise ValueError(f"motion must be [1, 2, H, W], got {list(motion.shape)}")
    motion = motion.float()
    if max_speed is None:
        max_speed = float(motion.norm(dim=1).max())
    image = _colour(motion / max(max_speed, 1e-12))
    if use_legend:
        _draw_legend(image)
    return image


def _colour(motion: Tensor) -> Tensor:
    """Colour code of a motion whose maximal speed is 1."""
    x, y = motion[:, 0], motion[:, 1]
    wheel = _colour_wheel().to(motion.device)
    position = (torch.atan2(y, x) / math.tau % 1) * len(wheel)
    lower = position.long() % len(wheel)
    hue = torch.lerp(
        wheel[lower], wheel[(lower + 1) % len(wheel)], (position - position.floor())[..., None]
    )  # [1, H, W, 3]
    speed = torch.hypot(x, y).clamp(max=1)[..., None]
    # From white, 1, to the hue; then from [0, 1] to [-1, 1].
    return (1 - 2 * speed * (1 - hue)).permute(0, 3, 1, 2).contiguous()


def _colour_wheel() -> Tensor:
    """Hues of all directions, clockwise from the right, ``[55, 3]`` in [0, 1]."""
    corners = torch.tensor(_WHEEL_CORNERS, dtype=torch.float32)
    parts = [
        torch.lerp(start, end, (torch.arange(steps) / steps)[:, None])
        for start, end, steps in zip(corners[:-1], corners[1:], _WHEEL_STEPS, strict=True)
    ]
    return torch.cat(parts)


def _draw_legend(image: Tensor) -> None:
    side = min(image.shape[-2:]) // 5
    if side < 9:
        return
    line = torch.linspace(-1, 1, side, device=image.device)
    y, x = torch.meshgrid(line, line, indexing="ij")
    wheel = _colour(torch.stack([x, y])[None])
    radius = torch.hypot(x, y)
    corner = image[..., -side:, -side:]
    corner.copy_(torch.where(radius <= 1, wheel, corner))
    # A dark rim, two pixels wide, keeps the wheel apart from the picture.
    corner.masked_fill_((radius <= 1) & (radius > 1 - 4 / side), -1)


def overlay_mask(
    image: Tensor,
    mask: Tensor,
    *,
    colour: tuple[float, float, float] = (1.0, -0.5, -0.5),
    opacity: float = 0.5,
) -> Tensor:
    """Tints the moving region.

    Args:
        image: ``[1, 3, H, W]`` in [-1, 1].
        mask: ``[1, 1, H, W]`` in [0, 1], of any size.
        colour: RGB in [-1, 1].
        opacity: Opacity of the colour where the mask is 1.

    Returns:
        ``[1, 3, H, W]`` in [-1, 1]; the image itself where the mask is 0.
    """
    if mask.shape[-2:] != image.shape[-2:]:
        mask = F.interpolate(mask, image.shape[-2:], mode="bilinear", antialias=True)
    tint = torch.tensor(colour, dtype=image.dtype, device=image.device).view(1, 3, 1, 1)
    return torch.lerp(image, tint, opacity * mask.to(image))


def contact_sheet(
    images: Sequence[Tensor], columns: int, *, cell: tuple[int, int] | None = None, gap: int = 4
) -> Tensor:
    """Arranges images in a grid on white.

    Args:
        images: ``[1, 3, H, W]`` or grey ``[1, 1, H, W]`` each, in [-1, 1], of any sizes; each is
            resized to fit its cell with its aspect kept.
        columns: Images per row.
        cell: ``(height, width)`` of a cell; by default the size of the first image.
        gap: White pixels between cells.

    Returns:
        ``[1, 3, H, W]`` in [-1, 1].

    Raises:
        ValueError: If there is no image or no column.
    """
    if not images or columns < 1:
        raise ValueError(f"need an image and a column, got {len(images)} and {columns}")
    height, width = cell or images[0].shape[-2:]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = images[0].new_ones(
        1, 3, rows * (height + gap) - gap, columns * (width + gap) - gap, dtype=torch.float32
    )
    for index, image in enumerate(images):
        fitted = _fit(image.to(sheet), height, width)
        row, column = divmod(index, columns)
        top = row * (height + gap) + (height - fitted.shape[-2]) // 2
        left = column * (width + gap) + (width - fitted.shape[-1]) // 2
        sheet[..., top : top + fitted.shape[-2], left : left + fitted.shape[-1]] = fitted
    return sheet


def _fit(image: Tensor, height: int, width: int) -> Tensor:
    scale = min(height / image.shape[-2], width / image.shape[-1])
    size = [max(1, round(side * scale)) for side in image.shape[-2:]]
    if list(image.shape[-2:]) == size:
        return image
    return F.interpolate(image, size, mode="bilinear", antialias=True).clamp(-1, 1)
