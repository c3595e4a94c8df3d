class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what was wanted and what was found. Scripts print it and
    exit with status 1; everything else that is raised is a bug and keeps its traceback.
    """


class TrainingError(RuntimeError):
    """Training cannot go on: the message is one line that says why and what helps."""
