"""Controls of motion: directions, arrows, anchors, text, speeds (Sec. 3.3)."""

from stylecinegan.motion.controls.anchors import ANCHOR_RADIUS
from stylecinegan.motion.controls.controls import DIRECTIONS, controlled_motion, directed_motion
from stylecinegan.motion.controls.hints import Hints, combine_hints, read_hints, write_hints

__all__ = [
    "ANCHOR_RADIUS",
    "DIRECTIONS",
    "Hints",
    "combine_hints",
    "controlled_motion",
    "directed_motion",
    "read_hints",
    "write_hints",
]
