"""Size of a JPEG XL picture from its header, without decoding it."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_WIDTH_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width by height where the header gives no width, for its numbers 1 to 7."""


def read_jxl_size(stream: BinaryIO) -> tuple[int, int]:
    """Reads the size of a picture.

    Args:
        stream: A file of JPEG XL; left where it stood.

    Returns:
        (width, height), not turned upright.

    Raises:
        ValueError: If there is no header.
    """
    start = stream.tell()
    data = _find_codestream(stream)
    stream.seek(start)
    if len(data) < 12 or not data.startswith(CODESTREAM):
        raise ValueError("no header of JPEG XL")
    bits = _Bits(int.from_bytes(data[2:], "little"))
    is_small = bits.take(1)
    height = _read_side(bits, is_small)
    if ratio := bits.take(3):
        numerator, denominator = _WIDTH_RATIOS[ratio - 1]
        return height * numerator // denominator, height
    return _read_side(bits, is_small), height


class _Bits:
    """Bit reader, lowest bits first."""

    def __init__(self, rest: int) -> None:
        self._rest = rest

    def take(self, count: int) -> int:
        taken = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return taken


def _read_side(bits: _Bits, is_small: int) -> int:
    if is_small:
        return 8 * (1 + bits.take(5))
    return 1 + bits.take((9, 13, 18, 30)[bits.take(2)])


def _find_codestream(stream: BinaryIO) -> bytes:
    """Start of the codestream, bare or in a container's boxes."""
    data = stream.read(len(CONTAINER))
    if data.startswith(CODESTREAM):
        return data + stream.read(4)
    for kind in _boxes(stream):
        if kind == b"jxlc":
            return stream.read(16)
        if kind == b"jxlp":
            return stream.read(4 + 16)[4:]  # behind the number of the part
    return b""


def _boxes(stream: BinaryIO) -> Iterator[bytes]:
    """Yields the kind of each box, with the file at its content."""
    while len(header := stream.read(8)) == 8:
        size, kind = struct.unpack(">I4s", header)
        content = stream.tell()
        if size == 1:  # it follows in 64 bits
            size = int.from_bytes(stream.read(8), "big") - 8
            content += 8
        yield kind
        if size < 8:  # to the end of the file, or damaged
            return
        stream.seek(content + size - 8)
