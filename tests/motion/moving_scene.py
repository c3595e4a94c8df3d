"""A drawn clip whose motion is known: a textured sky drifts over a textured ground."""

import cv2
import numpy as np

from stylecinegan import io

SIZE = (96, 128)
HORIZON = 56


def texture(height, width, seed):
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min()) * 255


def scene(num_frames, *, drift=(0.0, 0.0), camera=None, has_ground=True):
    """Frames ``[1, 3, H, W]``; the sky moves ``drift`` a frame, the camera is at ``camera[t]``."""
    height, width = SIZE
    sky, ground = texture(height * 2, width * 2, 0), texture(height * 2, width * 2, 1)
    for frame in range(num_frames):
        at = np.array(camera[frame] if camera else (0.0, 0.0), float)
        picture = shifted(sky, np.array(drift) * frame - at)
        if has_ground:
            below = shifted(ground, -at)
            picture[HORIZON:] = below[HORIZON:]
        yield io.from_uint8(picture.round().clip(0, 255).astype(np.uint8))


def shifted(picture, by):
    height, width = SIZE
    # The source place of pixel (0, 0): a quarter of the texture is in reserve on each side.
    matrix = np.array([[1, 0, width / 2 - by[0]], [0, 1, height / 2 - by[1]]], float)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, matrix, (width, height), flags=flags)
