"""Headers of JPEG 2000 files."""

from pathlib import Path

_START = b"\xff\x4f\xff\x51"
"""Start of the codestream, and of its first segment, SIZ."""

_DEPTH_OFFSET = 42
"""Bytes from the start of the codestream to the depth of the first component."""

_SEARCHED = 1 << 20
"""Bytes searched for the codestream: boxes, such as colour profiles, precede it."""


def read_jp2_depth(path: Path) -> int:
    """Reads the bits per sample of the first component.

    Args:
        path: ``.jp2``, or a bare codestream.

    Returns:
        1 to 38; 0 if the file has no codestream.
    """
    with path.open("rb") as stream:
        data = stream.read(_SEARCHED)
    start = data.find(_START)
    depth = data[start + _DEPTH_OFFSET : start + _DEPTH_OFFSET + 1]
    # The highest bit says whether samples are signed.
    return (depth[0] & 0x7F) + 1 if start >= 0 and depth else 0
