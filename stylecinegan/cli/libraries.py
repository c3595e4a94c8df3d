"""Faster import of PyTorch: shared libraries beside Python, tensors without data on demand."""

import ctypes
import importlib.util
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

META_KERNELS = "torch._meta_registrations"
"""PyTorch's operators for tensors without data, which its compiler traces programs with."""


def load_libraries() -> None:
    """Starts to load PyTorch's shared libraries in a thread.

    Loading takes a quarter of a second, during which Python can run. ``import torch`` alone would
    load them while it blocks all of Python.
    """
    threading.Thread(target=_load, name="libraries", daemon=True).start()


def _load() -> None:
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return  # which the import reports
    folder = Path(found.origin).parent / "lib"
    # This one depends on all others.
    with suppress(OSError):
        ctypes.CDLL(str(folder / "libtorch_python.so"))


def defer_meta_kernels() -> None:
    """Makes ``import torch`` defer :data:`META_KERNELS`, a fifth of its time, to their first use.

    Operators on tensors with data do not need them. For commands that compile nothing.
    """
    sys.meta_path.insert(0, _DeferringFinder())


class _DeferringFinder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == META_KERNELS else None
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferringLoader(spec.loader)
        return spec


class _DeferringLoader(Loader):
    """Executes a module when a name that it defines is first read.

    Unlike with :class:`importlib.util.LazyLoader`, names such as ``__file__``, which :mod:`inspect`
    reads of all modules, do not execute it.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def execute(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            del module.__dict__["__getattr__"]
            self._loader.exec_module(module)
            return getattr(module, name)

        module.__dict__["__getattr__"] = execute  # called for names that are missing (PEP 562)
