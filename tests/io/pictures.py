"""Pictures and checks that several tests of picture files share."""

import numpy as np
import pillow_heif

from stylecinegan import io
from stylecinegan.errors import InputError

pillow_heif.register_heif_opener()  # for writing; reading registers it by itself

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (30, 120, 200), (128, 128, 128)]


def photo(height=48, width=64):
    """Smooth colours that differ in all four corners, ``[H, W, 3]``, uint8."""
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * x / width, 255 * y / height, 60 + 0 * x], -1).astype(np.uint8)


def pixels_of(path):
    """What ``read_image`` reads, as integers that differences cannot wrap around in."""
    return io.to_uint8(io.read_image(path)).numpy().astype(int)


def flat_patches(side=32):
    """Patches of :data:`COLOURS` in a row, ``[1, 3, side, 6 * side]``."""
    row = np.array(COLOURS, np.uint8).repeat(side, axis=0)
    return io.from_uint8(np.broadcast_to(row, (side, *row.shape)).copy())


def check_damaged(path, *, first=0, num_bytes=8, is_cut=False):
    """Checks that a file with random damage is read, or refused in one line.

    Args:
        path: An intact picture.
        first: Byte from which on it is damaged.
        num_bytes: Bytes to damage.
        is_cut: Whether the file also loses a random part of its end.
    """
    random = np.random.default_rng(2)
    whole = np.fromfile(path, np.uint8)
    for _ in range(40):
        damaged = whole.copy()
        damaged[random.integers(first, len(whole), num_bytes)] = random.integers(0, 256, num_bytes)
        end = random.integers(1, len(whole) + 1) if is_cut else len(whole)
        path.write_bytes(damaged[:end].tobytes())
        try:
            io.read_image(path)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017 (both outcomes are right)
