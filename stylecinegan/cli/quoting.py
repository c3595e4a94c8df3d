"""Quoting of paths and prose for Hydra's grammar."""

from collections.abc import Collection, Sequence
from pathlib import Path

from stylecinegan.errors import InputError


def quote_values(
    arguments: Sequence[str], keys: Collection[str], *, are_lists: bool = False
) -> list[str]:
    """Quotes values that are paths or prose, so that Hydra takes them literally.

    Hydra's grammar rejects many characters of such values, and resolves ``${...}``. Values in
    quotes are left unchanged.

    Args:
        arguments: The command line without the command's name.
        keys: Keys whose values are taken literally.
        are_lists: Whether values may be lists separated by commas, as with ``-m``, of words and
            existing paths.

    Raises:
        InputError: If such a value is missing.
    """
    quoted = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key in keys:
            if not value:
                raise InputError(f"{key}= has no value; {key}=null stands for none")
            values = [value]
            if are_lists and not names_file(value):
                parts = value.split(",")
                is_list = all(part and (_is_word(part) or names_file(part)) for part in parts)
                values = parts if is_list else values
            argument = f"{key}=" + ",".join(map(_quoted, values))
        quoted.append(argument)
    return quoted


def names_file(value: str) -> bool:
    """Whether a value is the path of an existing file or folder."""
    try:
        return Path(value).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False


def _quoted(value: str) -> str:
    """Quotes a value for Hydra, unless it is null, a list of lists, or already quoted."""
    # Arrows are a path or lists of numbers, [[0.1,0.5,0.3,0.5]].
    if (
        value == "null"
        or value.startswith("[[")
        or (len(value) > 1 and value[0] == value[-1] and value[0] in "\"'")
    ):
        return value
    if value == "???":  # a missing value in Hydra
        value = "./???"
    # Backslashes are literal unless quotes or an interpolation follow.
    pieces, run = [], 0
    for index, character in enumerate(value):
        if character == "\\":
            run += 1
            continue
        if character == '"' or value.startswith("${", index):
            pieces.append("\\" * (2 * run + 1) + character)
        else:
            pieces.append("\\" * run + character)
        run = 0
    return '"' + "".join(pieces) + "\\" * (2 * run) + '"'


def _is_word(value: str) -> bool:
    """Whether a value has only letters, digits and hyphens."""
    return value.replace("-", "").isalnum()
