"""Shared by the commands: paths that Hydra would not parse, errors in one line."""

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from stylecinegan.cli.extras import explain_missing
from stylecinegan.errors import InputError
from stylecinegan.ops import ExtensionError
from stylecinegan.resources import CONFIGS_DIR
from stylecinegan.training.update import TrainingError

USER_ERRORS = (InputError, ExtensionError, TrainingError)

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, ValueError)
"""What Hydra raises for overrides that it cannot compose; the last one for ``model=null``."""


def run(main: Callable[[], None], config_name: str, path_keys: Sequence[str]) -> None:
    """Runs a script: quotes its paths, and says in one line what its configuration lacks.

    Args:
        main: A function decorated by ``hydra.main``.
        config_name: Its root in ``configs/``.
        path_keys: Keys whose values are paths.
    """
    sys.argv[1:] = quote_paths(sys.argv[1:], path_keys)
    flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    if not flags:  # help, sweeps and the like are Hydra's own
        try:
            with initialize_config_dir(str(CONFIGS_DIR), version_base="1.3"):
                compose(config_name, overrides=sys.argv[1:])
        except COMPOSITION_ERRORS as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            sys.exit("error: " + " ".join(str(error).split()))
    # As Ctrl-C: what is being written is cleaned up. Training puts its own handler on top.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()


def quote_paths(arguments: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Quotes the values of path keys, most characters of which Hydra's grammar refuses.

    Args:
        arguments: The command line without the script's name.
        keys: Keys whose values are paths.
    """
    quoted = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        plain = value and value != "null" and value[0] not in "\"'$"
        # Arrows are a path or numbers; nobody's file is called "[[0.1,…]]".
        plain = plain and not (key == "arrows" and value.startswith("["))
        if equals and key in keys and plain:
            escaped = value.replace('\\"', '\\\\"').replace('"', '\\"')
            if escaped.endswith("\\"):
                escaped += "\\"
            argument = f'{key}="{escaped}"'
        quoted.append(argument)
    return quoted


def commit() -> str | None:
    """The commit that runs, ``-dirty`` with changes, or ``None`` outside a checkout."""
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return git.stdout.strip() if git.returncode == 0 else None


def errors_in_one_line(main: Callable[[DictConfig], None]) -> Callable[[DictConfig], None]:
    """Turns what the user can mend into one line on standard error and exit status 1.

    With ``HYDRA_FULL_ERROR=1`` in the environment the traceback is shown.
    """

    @functools.wraps(main)
    def wrapped(cfg: DictConfig) -> None:
        try:
            main(cfg)
        except (*USER_ERRORS, InstantiationException) as error:
            # Hydra wraps what a constructor raises.
            cause = error.__cause__ if isinstance(error, InstantiationException) else error
            message = str(cause) if isinstance(cause, USER_ERRORS) else explain_missing(cause)
            if message is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            sys.exit(f"error: {message}")
        except ImportError as error:
            if (missing := explain_missing(error)) is None:
                raise
            sys.exit(f"error: {missing}")
        except KeyboardInterrupt:
            sys.exit("stopped")

    return wrapped
