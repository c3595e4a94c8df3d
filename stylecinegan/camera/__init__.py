"""Camera moves from a depth map."""

from stylecinegan.camera.camera import AMOUNT, MOVES, Camera, Move, check_camera
from stylecinegan.camera.placing import place_camera

__all__ = ["AMOUNT", "MOVES", "Camera", "Move", "check_camera", "place_camera"]
