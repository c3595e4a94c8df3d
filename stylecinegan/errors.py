class InputError(ValueError):
    """Invalid input of the user: one line with what was wanted, found and to be done.

    The message is one line that says what was wanted and what was found. Scripts print it and
    exit with status 1; everything else that is raised is a bug and keeps its traceback.
    """


class TrainingError(RuntimeError):
    """Training cannot continue; the message is one line with the reason and a remedy."""


class ExtensionError(RuntimeError):
    """The compiled operators were asked for and cannot be had."""
