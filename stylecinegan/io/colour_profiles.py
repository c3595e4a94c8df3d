"""Conversion to sRGB by the embedded colour profile."""

import logging
import struct
from functools import lru_cache
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

from stylecinegan.io.matrix_profiles import ADOBE_RGB, parse_profile

logger = logging.getLogger(__name__)

_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
"""Colour spaces of ICC profiles by Pillow's modes."""

_TOLERANCE = 1
"""Of 255; a profile that changes no colour by more is treated as sRGB."""

_warned: set[bytes] = set()

_INTEROPERABILITY, _INTEROPERABILITY_INDEX = 0xA005, 1


def to_srgb(image: Image.Image, name: str, profile: bytes | None) -> Image.Image:
    """Converts an 8-bit picture to sRGB.

    A profile that is damaged or of another colour space is ignored with a warning.

    Args:
        image: Picture of mode RGB, L, CMYK or LAB.
        name: Name of the file, for the warning.
        profile: Embedded ICC profile, if there is one.

    Returns:
        Picture of mode RGB.
    """
    if profile:
        transform = _find_transform(profile, image.mode)
        if transform is None and image.mode == "L":
            # Grey pictures often keep the profile of the colour picture that they were made from.
            transform = _find_transform(profile, "RGB")
            image = image if transform is None else image.convert("RGB")
        if transform is None:
            _warn(name, profile)
        elif transform:
            return _apply(image, transform)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return _apply(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    return image.convert("RGB")


def deep_to_srgb(pixels: np.ndarray, name: str, profile: bytes | None) -> np.ndarray:
    """Converts a 16-bit picture to sRGB.

    Args:
        pixels: ``[H, W, 3]`` or, with opacity, ``[H, W, 4]``, uint16.
        name: Name of the file, for the warning.
        profile: Embedded ICC profile, if there is one.

    Returns:
        Pixels of the same shape and type; with 8 bits of precision unless the profile is a matrix.
    """
    is_grey = profile is not None and profile[16:20] == b"GRAY"
    if not profile or _find_transform(profile, "L" if is_grey else "RGB") is False:
        return pixels
    try:
        matrix = parse_profile(profile)
    except (struct.error, ValueError, IndexError, ZeroDivisionError):
        _warn(name, profile)
        return pixels
    colour = np.ascontiguousarray(pixels[..., :3])
    if matrix is not None:
        colour = matrix.convert(colour)
    else:
        shallow = Image.fromarray((colour // 257).astype(np.uint8))
        colour = np.asarray(to_srgb(shallow, name, profile)).astype(np.uint16) * 257
    return np.concatenate([colour, pixels[..., 3:]], axis=-1)


def is_adobe_rgb(image: Image.Image) -> bool:
    """Whether EXIF marks a picture as Adobe RGB: some cameras do so and embed no profile."""
    if image.info.get("icc_profile") or image.mode != "RGB":
        return False
    index = image.getexif().get_ifd(_INTEROPERABILITY).get(_INTEROPERABILITY_INDEX)
    return isinstance(index, str) and index.startswith("R03")


def adobe_to_srgb(image: Image.Image) -> Image.Image:
    """Converts a picture of mode RGB from Adobe RGB to sRGB."""
    return Image.fromarray(ADOBE_RGB.convert(np.asarray(image)))


@lru_cache(maxsize=64)
def _find_transform(
    profile: bytes, mode: str
) -> ImageCms.ImageCmsTransform | Literal[False] | None:
    """Builds the transform to sRGB; ``False`` if not needed, ``None`` if there is none."""
    try:
        parsed = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = parsed.profile.xcolor_space  # pyright: ignore[reportAttributeAccessIssue]
        if space != _SPACES.get(mode):
            return None
        transform = ImageCms.buildTransform(parsed, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode in ("RGB", "L"):
        probe = _probe(mode)
        converted = np.asarray(_apply(probe, transform), np.int16)
        if np.abs(converted - np.asarray(probe.convert("RGB"))).max() <= _TOLERANCE:
            return False
    return transform


def _apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # it is only if converted in place
    return converted


def _probe(mode: str) -> Image.Image:
    """A picture of colours that are evenly spaced in the colour space."""
    levels = np.arange(0, 256, 15).astype(np.uint8)
    if mode == "L":
        return Image.fromarray(levels[None])
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    return Image.fromarray(cube.reshape(len(levels), -1, 3))


def _warn(name: str, profile: bytes) -> None:
    # Once per profile: all pictures of a data set may have the same.
    if profile not in _warned:
        _warned.add(profile)
        logger.warning("%s: its colour profile is damaged or of another kind, ignored", name)
