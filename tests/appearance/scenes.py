"""A drawn scene to change the style of."""

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.motion.controls.controls import directed_motion


def scene(height=64, width=96):
    """Photo, and mask and motion as arguments of ``animate``."""
    drawn = draw_landscape(height, width, seed=2)
    return drawn.image, {"mask": drawn.mask, "motion": directed_motion("right", drawn.mask)}
