"""Optional dependencies and the extras that install them."""

EXTRAS = {
    "tensorboard": "train",
    "lmdb": "train",
    "torchvision": "eval",
    "lpips": "eval",
    "pytorch_msssim": "eval",
    "pytorch_fid": "eval",
    "scipy": "eval",
    "starlette": "app",
    "uvicorn": "app",
}
"""Extra of ``pyproject.toml`` that installs an optional module, by module."""


def explain_missing(error: BaseException | None) -> str | None:
    """Explains how to install a missing module.

    Args:
        error: Any exception; its causes are examined too.

    Returns:
        One line, or ``None`` if no optional module is missing.
    """
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            module = error.name.partition(".")[0]
            if module in EXTRAS:
                return f"{module} is not installed: pip install 'stylecinegan[{EXTRAS[module]}]'"
        error = error.__cause__ or error.__context__
    return None
