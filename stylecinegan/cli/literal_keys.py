"""Detection of settings whose values are text, to be taken literally."""

import inspect
import re
import types
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, QuotedString
from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stylecinegan.cli.help_page import read_sections
from stylecinegan.cli.quoting import names_file
from stylecinegan.resources import CONFIGS_DIR

# Text that Hydra reads unchanged without quotes.
_PLAIN = re.compile(r"(?!(?:true|false|null|nan|[+-]?inf)$)[\w.+/-]*[a-z/][\w.+/-]*", re.A | re.I)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.I)


def literal_keys(config_name: str, arguments: Sequence[str]) -> set[str]:
    """Finds the keys whose values bypass Hydra's grammar.

    These are settings that are text by their default or by the signature of their ``_target_``. For
    settings with neither, such as ``photo: null``, a value is text if it is not a number, boolean,
    list or mapping, or if it is the name of a file.

    Args:
        config_name: Name of the command's configuration in ``configs/``.
        arguments: The command line without the command's name.
    """
    overrides = [argument.partition("=") for argument in arguments if "=" in argument]
    given = {key: value for key, _, value in overrides if key and key[0] not in "-+~"}
    keys = {key for key, value in given.items() if _is_group(key) and _NUMBER.fullmatch(value)}
    uncertain = {
        key: value
        for key, value in given.items()
        if not _is_group(key) and (_NUMBER.fullmatch(value) or not _PLAIN.fullmatch(value))
    }
    numbers = _number_keys(config_name)  # the most frequent case, decided without a composition
    uncertain = {
        key: value
        for key, value in uncertain.items()
        if key not in numbers or not _NUMBER.fullmatch(value)
    }
    if not uncertain:
        return keys
    groups = [f'{key}="{value.split(",")[0]}"' for key, value in given.items() if _is_group(key)]
    further = [f'hydra.searchpath=["{folder}"]' for folder in _config_dirs(arguments)[-1:]]
    try:
        with initialize_config_dir(str(CONFIGS_DIR), version_base="1.3"):
            cfg = compose(config_name, overrides=[*groups, *further])
    except (HydraException, OmegaConfBaseException):
        return keys  # the error is reported when the command line is composed
    return keys | {key for key, value in uncertain.items() if _is_literal(cfg, key, value)}


def _number_keys(config_name: str) -> set[str]:
    """Keys of the root, not of its groups, whose default is a number."""
    sections = read_sections(CONFIGS_DIR / f"{config_name}.yaml")
    return {
        setting.key
        for section in sections
        for setting in section.settings
        if "." not in setting.key and _NUMBER.fullmatch(setting.default or "")
    }


def _config_dirs(arguments: Sequence[str]) -> list[str]:
    """Folders of configurations given by ``--config-dir``."""
    flags = ("--config-dir", "-cd")
    apart = [value for flag, value in pairwise(arguments) if flag in flags]
    joined = [argument.split("=", 1) for argument in arguments if "=" in argument]
    return apart + [value for flag, value in joined if flag in flags]


def _is_group(key: str) -> bool:
    return "." not in key and (CONFIGS_DIR / key).is_dir()


def _is_literal(cfg: DictConfig, key: str, value: str) -> bool:
    """Whether a value of a composed key is text."""
    parent_key, _, name = key.rpartition(".")
    parent = OmegaConf.select(cfg, parent_key) if parent_key else cfg
    if not isinstance(parent, DictConfig) or name not in parent.keys():  # noqa: SIM118 (missing ones too)
        return False
    takes_text = _declares_text(parent, name)
    if takes_text is None:
        takes_text = _defaults_to_text(parent, name)
    if takes_text is None:
        return not _reads_as_data(value) or names_file(value)
    return takes_text or (names_file(value) and not _reads_as_data(value))


def _declares_text(parent: DictConfig, name: str) -> bool | None:
    """Whether the node's ``_target_`` declares text or a path; ``None`` if it declares nothing."""
    if "_target_" not in parent:
        return None
    try:
        parameter = inspect.signature(get_object(parent["_target_"])).parameters.get(name)
    except (ImportError, ValueError, TypeError, HydraException):
        return None
    if parameter is None or parameter.annotation is parameter.empty:
        return None
    return _is_text(parameter.annotation)


def _is_text(annotation: Any) -> bool:
    """Whether a type, or one of a union, is text or a path."""
    if get_origin(annotation) in (Union, types.UnionType):
        return any(map(_is_text, get_args(annotation)))
    return annotation in (str, Path)


def _defaults_to_text(parent: DictConfig, name: str) -> bool | None:
    """Whether a default is text; ``None`` if it is missing or null."""
    try:
        default = None if OmegaConf.is_missing(parent, name) else parent[name]
    except OmegaConfBaseException:  # an interpolation that only a running command resolves
        return True
    return None if default is None else isinstance(default, str)


def _reads_as_data(value: str) -> bool:
    """Whether Hydra parses a value as a number, boolean, list or mapping."""
    try:
        override = OverridesParser.create().parse_override(f"key={value}")
    except HydraException:
        return False
    value_read = override.value()
    if isinstance(value_read, ChoiceSweep):
        return not any(isinstance(choice, str | QuotedString) for choice in value_read.list)
    return not isinstance(value_read, str)
