"""Prediction of a photo's motion (Sec. 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.inputs import check_photo
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.warping.displacement import resize_displacement

LONGEST = 4
"""Largest longer side of the network's input, as a multiple of its trained side."""


@torch.no_grad()
def predict_motion(
    generator: MotionGenerator, photo: Tensor, probabilities: Tensor | None = None
) -> Tensor:
    """Predicts the motion of a photo.

    Only relative speeds are meaningful; the animation scales them.

    Args:
        generator: The motion generator.
        photo: I, ``[1, 3, H, W]`` in [-1, 1], any size and aspect.
        probabilities: Probabilities of static, sky and water, ``[1, 3, h, w]``; by default the
            photo is the only input. Generators without input channels for them ignore them.

    Returns:
        M, ``[1, 2, H, W]``, not yet refined by S.

    Raises:
        InputError: If the photo has another shape.
    """
    check_photo(photo)
    height, width = photo.shape[2:]
    scale = min(generator.side / min(height, width), LONGEST * generator.side / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    parts = [_resize(photo.float(), size)]
    if generator.in_channels > 3:
        if probabilities is None:
            parts.append(photo.new_zeros(1, 2, *size))
        else:
            parts.append(_resize(probabilities[:, 1:].to(photo), size))
    motion = generator(torch.cat(parts, dim=1)).float()
    return resize_displacement(motion, (height, width))


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    if x.shape[2:] == size:
        return x
    return F.interpolate(x, size, mode="bilinear", antialias=True)
