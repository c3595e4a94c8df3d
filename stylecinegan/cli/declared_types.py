"""Checks of settings against the types that their targets declare."""

import inspect
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from stylecinegan.errors import InputError


def check_declared_types(cfg: DictConfig, prefix: str = "") -> None:
    """Checks the values of all nodes with a ``_target_`` against its signature.

    Types other than numbers, booleans, text, literals, sequences of these and ``None`` are not
    checked, nor are values that refer to other settings.

    Args:
        cfg: The composed settings.
        prefix: Key of the node, with a dot at its end.

    Raises:
        InputError: If a value has another type.
    """
    declared = _declared_types(cfg)
    for name in cfg:
        is_key = isinstance(name, int | str)
        if not is_key or OmegaConf.is_missing(cfg, name) or OmegaConf.is_interpolation(cfg, name):
            continue
        value = cfg[name]
        if isinstance(value, DictConfig):
            check_declared_types(value, f"{prefix}{name}.")
            continue
        if isinstance(value, ListConfig):
            for index, item in enumerate(value):
                if isinstance(item, DictConfig):
                    check_declared_types(item, f"{prefix}{name}.{index}.")
        if name in declared and not _is_accepted(value, declared[name]):
            shown = "null" if value is None else value
            raise InputError(f"{prefix}{name} must be {_describe(declared[name])}, got {shown}")


def _declared_types(node: DictConfig) -> dict[str, Any]:
    """Annotations of the parameters of a node's target, by name."""
    target = node.get("_target_")
    if not isinstance(target, str):
        return {}
    try:
        parameters = inspect.signature(get_object(target)).parameters.values()
    except (ImportError, ValueError, TypeError, HydraException):
        return {}  # reported where the target is called
    empty = inspect.Parameter.empty
    return {
        parameter.name: parameter.annotation
        for parameter in parameters
        if parameter.annotation is not empty
    }


def _is_accepted(value: Any, declared: Any) -> bool:
    """Whether a value, or each item of a list, is of a type; any value is where it is unknown."""
    origin = get_origin(declared)
    if origin in (Union, types.UnionType):
        return any(_is_accepted(value, option) for option in get_args(declared))
    if origin is Literal:
        return value in get_args(declared)
    if origin in (Sequence, list):
        items = get_args(declared)[0]
        return isinstance(value, ListConfig) and all(_is_accepted(item, items) for item in value)
    if declared in (None, types.NoneType):
        return value is None
    if declared is bool:
        return isinstance(value, bool)
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if declared is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if declared in (str, Path):
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    return True


def _describe(declared: Any) -> str:
    """A type in words."""
    origin = get_origin(declared)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_describe, get_args(declared))))
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(declared)))}"
    if origin in (Sequence, list):
        return f"a list of items, each {_describe(get_args(declared)[0])}"
    names = {bool: "true or false", int: "a whole number", float: "a number"}
    names |= {str: "text", Path: "a path", None: "null", types.NoneType: "null"}
    return names.get(declared, str(declared))
