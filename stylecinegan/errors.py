class InputError(ValueError):
    """Invalid input of the user.

    The message is one line with what was wanted, what was found and, if that helps, what to do.
    Commands print it and exit with status 1; any other exception is a bug and keeps its traceback.
    """


class TrainingError(RuntimeError):
    """Training cannot continue; the message is one line with the reason and a remedy."""


class ExtensionError(RuntimeError):
    """The compiled operators are required but not available."""
