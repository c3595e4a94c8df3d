"""Shared libraries of PyTorch, loaded beside everything else that a start takes."""

import ctypes
import importlib.util
import threading
from contextlib import suppress
from pathlib import Path


def load_libraries() -> None:
    """Begins to load PyTorch's shared libraries in a thread.

    They take a quarter of a second of one core, in which Python itself can run: ``import torch``,
    which would load them with Python standing still, finds them there.
    """
    threading.Thread(target=_load, name="libraries", daemon=True).start()


def _load() -> None:
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return  # the import says what is missing
    folder = Path(found.origin).parent / "lib"
    # The one that Python's module is linked to, and with it all others.
    with suppress(OSError):
        ctypes.CDLL(str(folder / "libtorch_python.so"))
