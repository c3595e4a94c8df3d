"""Speed factors of regions, by kind or by a point in them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.inputs import check_number
from stylecinegan.motion.controls.paths import parse_paths
from stylecinegan.motion.regions import KINDS, Regions

NAMED = tuple(kind for kind in KINDS.values() if kind != "unknown")

WANTED = f"speeds must be factors by region, {{{', '.join(NAMED)}}}, or [[x,y,factor],...]"


def parse_speeds(
    speeds: Mapping[str, float] | Sequence[Sequence[float]],
    size: tuple[int, int],
    photo_size: tuple[int, int] | None = None,
) -> tuple[dict[str, float], list[tuple[complex, float]]]:
    """Parses speed factors.

    Args:
        speeds: Factors by kind of region, ``{"sky": 0.5, "waterfall": 2}``, or by a point in the
            region, ``[x, y, factor]`` each: in normalised coordinates if all points are in [0, 1],
            otherwise in pixels of the photo.
        size: (height, width) of the map.
        photo_size: (height, width) of the photo; by default that of the map.

    Returns:
        Factors by kind, and points in pixels of the map with their factors.

    Raises:
        InputError: If a factor is invalid or a kind is unknown.
    """
    if isinstance(speeds, Mapping):
        if unknown := [kind for kind in speeds if kind not in NAMED]:
            raise InputError(f"{WANTED}, got one of {unknown[0]}")
        for kind, factor in speeds.items():
            check_number(f"speeds.{kind}", factor, least=0)
        return {kind: float(factor) for kind, factor in speeds.items()}, []
    if isinstance(speeds, str | float | int) or any(
        isinstance(entry, str | float | int) or len(entry) != 3 for entry in speeds
    ):
        raise InputError(f"{WANTED}, got {speeds}")
    places = parse_paths(
        [list(entry)[:2] for entry in speeds], size, photo_size, wanted=WANTED, fewest=1
    )
    factors = [entry[2] for entry in speeds]
    for factor in factors:
        check_number("a factor in speeds", factor, least=0)
    return {}, [(place[0], float(factor)) for place, factor in zip(places, factors, strict=True)]


def normalize_points(
    speeds: Mapping[str, float] | Sequence[Sequence[float]], photo_size: tuple[int, int]
) -> dict[str, float] | list[list[float]]:
    """Converts the points of speed factors to normalised coordinates, and all to plain lists."""
    by_kind, by_place = parse_speeds(speeds, (1, 1), photo_size)
    if by_place:
        return [[place.real, place.imag, factor] for place, factor in by_place]
    return by_kind


def speeds_by_place(
    regions: Regions,
    by_kind: Sequence[tuple[str | None, float]],
    by_place: Sequence[tuple[complex, float]],
) -> Tensor:
    """Product of the speed factors at each pixel, ``[1, 1, H, W]``.

    Args:
        regions: Regions of the map.
        by_kind: Kinds of region, ``None`` for all, and their factors.
        by_place: Points x + iy in pixels of the map, and factors of the regions there.

    Raises:
        InputError: If a point is not in a moving region, or a kind is unknown.
    """
    factors = [1.0] * len(regions.kinds)
    for kind, factor in by_kind:
        if factor == 1.0:
            continue
        if kind is not None:
            regions.check_known(kind, "a speed")
        # A waterfall is water as well.
        numbers = {*regions.named(kind), *(regions.of_kind("waterfall") if kind == "water" else [])}
        for number in numbers:
            factors[number] *= factor
    for place, factor in by_place:
        number = regions.at(place)
        if number is None:
            height, width = regions.number.shape
            raise InputError(
                "a point in speeds must be in a moving region, got "
                f"({place.real:.0f}, {place.imag:.0f}) on a map of {width}x{height}"
            )
        factors[number] *= factor
    return torch.tensor(factors, device=regions.number.device)[regions.number][None, None]
