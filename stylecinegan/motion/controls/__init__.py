"""Controls of motion: directions, arrows, text, speeds (Sec. 3.3)."""

from stylecinegan.motion.controls.controls import DIRECTIONS, controlled_motion, directed_motion

__all__ = ["DIRECTIONS", "controlled_motion", "directed_motion"]
