"""Image, mask, motion and video files: the only place that knows file formats and [0, 255]."""

from stylecinegan.io.depth_files import read_depth
from stylecinegan.io.image_files import read_image, write_image
from stylecinegan.io.labelme_files import read_labelme
from stylecinegan.io.mask_files import read_mask, write_mask
from stylecinegan.io.motion_files import read_motion, write_motion
from stylecinegan.io.opencv import load_opencv
from stylecinegan.io.paths import check_writable
from stylecinegan.io.pixels import from_uint8, to_uint8
from stylecinegan.io.video_reading import read_video
from stylecinegan.io.video_writing import check_video_options, write_video

__all__ = [
    "check_video_options",
    "check_writable",
    "from_uint8",
    "load_opencv",
    "read_depth",
    "read_image",
    "read_labelme",
    "read_mask",
    "read_motion",
    "read_video",
    "to_uint8",
    "write_image",
    "write_mask",
    "write_motion",
    "write_video",
]
