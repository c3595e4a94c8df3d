"""Entry point of the commands, which reports configuration errors and invalid input in one line."""

import functools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.utils import configure_log
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from stylecinegan.cli.declared_types import check_declared_types
from stylecinegan.cli.extras import explain_missing
from stylecinegan.cli.help_page import read_sections
from stylecinegan.cli.hydra_errors import reword_error
from stylecinegan.cli.literal_keys import literal_keys
from stylecinegan.cli.quoting import quote_values
from stylecinegan.cli.sweeps import MULTIRUN_FLAGS, first_job, is_sweep, name_jobs
from stylecinegan.errors import ExtensionError, InputError, TrainingError
from stylecinegan.resources import CONFIGS_DIR, project_path

# Hydra composes configurations before any function of ours runs.
OmegaConf.register_new_resolver("project", project_path, replace=True)

USER_ERRORS = (InputError, ExtensionError, TrainingError)

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, ValueError)
"""Exceptions of Hydra for invalid overrides; ``model=null`` raises ``ValueError``."""


@dataclass(frozen=True)
class Composition:
    """The composed settings of a command line.

    Attributes:
        arguments: The command line in Hydra's grammar.
        cfg: The settings, in a sweep those of the first job; ``None`` with flags of Hydra.
        job_logging: Hydra's configuration of the log.
    """

    arguments: tuple[str, ...]
    cfg: DictConfig | None = None
    job_logging: DictConfig = field(default_factory=lambda: OmegaConf.create({}))


_composed: dict[tuple[str, ...], Composition] = {}
"""Results of :func:`compose_ahead`, by configuration and command line."""


def run(main: Callable[[], None], config_name: str, *, needs_hydra: bool = True) -> None:
    """Runs a command: quotes its paths and reports configuration errors in one line.

    Args:
        main: A function decorated by ``hydra.main``.
        config_name: Name of its configuration in ``configs/``.
        needs_hydra: Whether the function, or an interpolation of its configuration, uses Hydra's
            runtime information. Otherwise it is run without Hydra, which would compose the settings
            twice more.
    """
    key = (config_name, *sys.argv[1:])
    composition = _composed.pop(key, None) or compose_arguments(config_name, sys.argv[1:])
    sys.argv[1:] = composition.arguments
    # SIGTERM acts like Ctrl-C, so that unfinished files are removed. Training has its own handler.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sweeps = is_sweep(sys.argv[1:])
    is_plain = not any("hydra" in word or word.startswith("-") for word in sys.argv[1:])
    if is_plain and not needs_hydra and composition.cfg is not None:
        configure_log(composition.job_logging)
        main.__wrapped__(composition.cfg)  # type: ignore[attr-defined]
        return
    with ExitStack() as stack:
        if sweeps:
            sys.argv[1:] = name_jobs(sys.argv[1:])
            if not _keeps_sweeps(config_name, sys.argv[1:]):
                # Hydra writes its files there; users who want them choose the folder.
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                sys.argv.append(f"hydra.sweep.dir={folder}")
        main()


def compose_ahead(config_name: str, arguments: Sequence[str]) -> None:
    """Composes the settings of the next :func:`run`, before PyTorch is loaded.

    Args:
        config_name: As for :func:`run`.
        arguments: The command line of that run.
    """
    _composed[(config_name, *arguments)] = compose_arguments(config_name, arguments)


def compose_arguments(config_name: str, arguments: Sequence[str]) -> Composition:
    """Composes the settings of a command line; an invalid one ends the process with one line.

    Args:
        config_name: Name of the command's configuration in ``configs/``.
        arguments: The command line without the command's name.

    Raises:
        SystemExit: If the command line is invalid, with an explanation.
    """
    words = list(arguments)
    try:
        sweeps = is_sweep(words)
        words = quote_values(words, literal_keys(config_name, words), are_lists=sweeps)
    except InputError as error:
        sys.exit(f"error: {error}")
    if any(word.startswith("-") and word not in MULTIRUN_FLAGS for word in words):
        return Composition(tuple(words))  # other flags are for Hydra
    try:
        job = first_job(words) if sweeps else words
        with initialize_config_dir(str(CONFIGS_DIR), version_base="1.3"):
            cfg = compose(config_name, overrides=job, return_hydra_config=True)
    except COMPOSITION_ERRORS as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.exit(f"error: {reword_error(error, config_name)}")
    job_logging = cfg.hydra.job_logging
    with open_dict(cfg):
        del cfg["hydra"]
    needed = ", ".join(f"{key}=" for key in cfg if OmegaConf.is_missing(cfg, key))
    if needed:
        sys.exit(f"error: wanted values for {needed}; --help explains the settings")
    try:
        check_kinds(cfg, config_name)
    except InputError as error:
        sys.exit(f"error: {error}")
    return Composition(tuple(words), cfg, job_logging)


def check_kinds(cfg: DictConfig, config_name: str) -> None:
    """Checks that values have the types of their defaults.

    Ranges, and values whose default is null, are checked by the commands.

    Args:
        cfg: The composed settings.
        config_name: Name of their configuration in ``configs/``.

    Raises:
        InputError: If a value has another type.
    """
    for section in read_sections(CONFIGS_DIR / f"{config_name}.yaml"):
        for setting in section.settings:
            *parents, name = setting.key.split(".")
            parent = OmegaConf.select(cfg, ".".join(parents)) if parents else cfg
            if not isinstance(parent, DictConfig):
                raise InputError(f"{parents[-1]} is a group, e.g. {setting.key}=, got {parent}")
            default = yaml.safe_load(setting.default or "null")
            is_checked = default not in (None, []) and not isinstance(default, dict)
            if is_checked and not OmegaConf.is_interpolation(parent, name):
                _check_kind(setting.key, parent[name], default)


def _check_kind(key: str, value: object, default: object) -> None:
    """Checks that a value has the type of its default."""
    if isinstance(default, bool):
        is_right, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, int | float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_right, wanted = is_number or value is None, "a number"
    elif isinstance(default, list):
        is_right, wanted = isinstance(value, ListConfig), "a list such as [1,2]"
    else:
        is_right, wanted = isinstance(value, str | int | float), "a word or a path"
    if not is_right:
        raise InputError(f"{key} must be {wanted}, got {'null' if value is None else value}")


def _keeps_sweeps(config_name: str, arguments: Sequence[str]) -> bool:
    """Whether Hydra's files of a sweep are kept, because the user chose their folder."""
    given = ("hydra.sweep.dir=", "hydra/launcher=")  # a launcher on a cluster logs there
    root = OmegaConf.load(CONFIGS_DIR / f"{config_name}.yaml")
    return any(name in argument for name in given for argument in arguments) or (
        OmegaConf.select(root, "hydra.sweep") is not None
    )


def commit() -> str | None:
    """Returns the commit of the running code, with ``-dirty`` if modified; ``None`` without Git."""
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return git.stdout.strip() if git.returncode == 0 else None


def errors_in_one_line(main: Callable[[DictConfig], None]) -> Callable[[DictConfig], None]:
    """Decorates a command: user errors become one line on standard error and exit status 1.

    With ``HYDRA_FULL_ERROR=1`` in the environment the traceback is shown.
    """

    @functools.wraps(main)
    def wrapped(cfg: DictConfig) -> None:
        try:
            check_declared_types(cfg)
            main(cfg)
        except (*USER_ERRORS, InstantiationException) as error:
            # Hydra wraps exceptions of constructors.
            cause = error.__cause__ if isinstance(error, InstantiationException) else error
            message = str(cause) if isinstance(cause, USER_ERRORS) else explain_missing(cause)
            if message is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            sys.exit(f"error: {message}")
        except OmegaConfBaseException as error:  # an interpolation of a missing key
            if os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            sys.exit("error: " + " ".join(str(error).split()))
        except ImportError as error:
            if (missing := explain_missing(error)) is None:
                raise
            sys.exit(f"error: {missing}")
        except KeyboardInterrupt:
            sys.exit("stopped")

    return wrapped
