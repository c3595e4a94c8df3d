"""What the scripts share: paths that Hydra would not parse, errors in one line."""

import functools
import os
import sys
from collections.abc import Callable, Sequence

# Threads that spin while they wait lose 20 times their speed when another job takes a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from hydra.errors import InstantiationException
from omegaconf import DictConfig

from stylecinegan.errors import InputError
from stylecinegan.ops import ExtensionError
from stylecinegan.training.update import TrainingError

USER_ERRORS = (InputError, ExtensionError, TrainingError)


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
        if equals and key in keys and plain:
            escaped = value.replace('\\"', '\\\\"').replace('"', '\\"')
            if escaped.endswith("\\"):
                escaped += "\\"
            argument = f'{key}="{escaped}"'
        quoted.append(argument)
    return quoted


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
            wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
            if wants_traceback or not isinstance(cause, USER_ERRORS):
                raise
            sys.exit(f"error: {cause}")
        except KeyboardInterrupt:
            sys.exit("stopped")

    return wrapped
