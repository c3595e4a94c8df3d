"""Colour profiles, built here because none may be shipped."""

import struct

import numpy as np

# Red, green and blue in XYZ relative to D50, as the profiles of these names have them.
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO = ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Its parameters g, a, b, c, d (kind 3); a single number is a gamma."""


def matrix_profile(primaries, curve=SRGB_CURVE):
    tags = {
        name: b"XYZ \0\0\0\0" + fixed(*primary)
        for name, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve_tag(curve))
    return profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(curve):
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve_tag(curve)})


def ink_profile(inks):
    """A profile of CMYK in which each ink alone gives a Lab colour, and several give black."""
    nodes = np.zeros((2, 2, 2, 2, 3))
    nodes[0, 0, 0, 0] = 100, 0, 0
    for number, colour in enumerate(inks):
        nodes[tuple(int(axis == number) for axis in range(4))] = colour
    table = np.rint(nodes * (2.55, 1, 1) + (0, 128, 128)).astype(np.uint8).tobytes()
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    tag = lut + 4 * identity + table + 3 * identity
    return profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": tag})


def fixed(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def curve_tag(curve):
    if isinstance(curve, tuple):
        return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + fixed(*curve)
    if isinstance(curve, list):
        return b"curv\0\0\0\0" + struct.pack(f">I{len(curve)}H", len(curve), *curve)
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(curve * 256)) + b"\0\0"


def profile(kind, space, connection, tags):
    start = 132 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        tag += b"\0" * (-len(tag) % 4)
        table += struct.pack(">4sII", name, start + len(content), len(tag))
        content += tag
    header = struct.pack(
        ">I4sI4s4s4s12s4s28x12s48x",
        start + len(content),
        b"none",
        0x02400000 if b"para" not in content else 0x04000000,
        kind,
        space,
        connection,
        struct.pack(">6H", 2020, 1, 1, 0, 0, 0),
        b"acsp",
        fixed(0.9642, 1.0, 0.8249),
    )
    return header + table + content
