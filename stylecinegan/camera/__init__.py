"""Camera moves from a depth map."""

from stylecinegan.camera.camera import AMOUNT, LARGEST_AMOUNT, MOVES, Camera, Move, check_camera
from stylecinegan.camera.placing import place_camera

__all__ = ["AMOUNT", "LARGEST_AMOUNT", "MOVES", "Camera", "Move", "check_camera", "place_camera"]
