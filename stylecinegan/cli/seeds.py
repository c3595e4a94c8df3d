"""Ranges of seeds on the command line."""

import re

from stylecinegan.errors import InputError


def parse_seeds(seeds: object) -> range:
    """Parses a seed, or a range of seeds such as ``0-63`` (with 63).

    Raises:
        InputError: If it is neither.
    """
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", str(seeds))
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise InputError(f"seeds must be a number or a range such as 0-31, got {seeds}")
    return range(first, last + 1)
