"""Size of a JPEG XL picture from its header, without decoding it."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_WIDTH_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Aspect ratios (width, height) by their numbers 1 to 7, for headers without a width."""


def read_jxl_size(stream: BinaryIO) -> tuple[int, int]:
    """Reads the size of a picture from its header.

    Args:
        stream: A JPEG XL file; its position is restored.

    Returns:
        (width, height), before the orientation is applied.

    Raises:
        ValueError: If there is no JPEG XL header.
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
            return stream.read(4 + 16)[4:]  # the box begins with its part number
    return b""


def _boxes(stream: BinaryIO) -> Iterator[bytes]:
    """Yields the kind of each box, with the file at its content."""
    while len(header := stream.read(8)) == 8:
        size, kind = struct.unpack(">I4s", header)
        content = stream.tell()
        if size == 1:  # a 64-bit size follows
            size = int.from_bytes(stream.read(8), "big") - 8
            content += 8
        yield kind
        if size < 8:  # 0 means up to the end of the file; others are damaged
            return
        stream.seek(content + size - 8)
