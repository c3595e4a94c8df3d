"""Pickles whose names are answered by stand-ins, so that nothing of what they bring is executed."""

import io
import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

# What reading a damaged pickle or archive raises.
DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
)

Known = Mapping[tuple[str, str], Callable[..., Any]]
"""Stand-ins by module and name."""


class StandIn:
    """An object of a pickle, in place of the class that the pickle names."""

    def restore(self, state: Any) -> None:
        """Takes in the object's state; by default it is not wanted."""


# The C implementation reserves memory for whatever number of objects a pickle claims to hold.
class RestrictedUnpickler(pickle._Unpickler):
    """Reads a pickle that may name nothing but what is known.

    Args:
        data: The pickle.
        known: Stand-ins by module and name.
    """

    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, data: bytes, known: Known) -> None:
        super().__init__(io.BytesIO(data))
        self._known = known

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Finds a stand-in; a file that wants anything else is refused before it can run."""
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(f"{module}.{name} in a pickle, which is not executed")
        return self._known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Refuses references to something outside the pickle."""
        raise pickle.UnpicklingError("a reference to something outside the pickle")

    def load_build(self) -> None:
        """Gives a state to stand-ins only: it could replace the attributes of anything else."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], StandIn):
            raise pickle.UnpicklingError("a state for something that has none")
        self.stack[-1].restore(state)

    dispatch[pickle.BUILD[0]] = load_build


class Dictionary(StandIn, dict):
    """A dictionary of another class, such as ``OrderedDict``, whose attributes are not wanted."""


class Array(StandIn):
    """Stand-in of a NumPy array in a pickle."""

    def __init__(self) -> None:
        self._dtype, self._shape, self._data = "<f4", (0,), b""
        self._is_column_major = False

    def restore(self, state: Any) -> None:
        """Takes in what ``ndarray.__reduce__`` gives."""
        _, shape, dtype, self._is_column_major, data = state
        # Protocols 0 to 2 have no bytes and spell them in Latin-1.
        self._fill(data.encode("latin1") if isinstance(data, str) else data, dtype, shape)

    def _fill(self, data: Any, dtype: Any, shape: Any) -> None:
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError("an array of something else than numbers")
        self._dtype, self._data = dtype.text(), bytes(data)
        self._shape = tuple(int(side) for side in shape)

    def decode(self) -> np.ndarray:
        """Builds the array, float32; the bytes have to fit the shape."""
        order = "F" if self._is_column_major else "C"
        if len(self._data) != math.prod(self._shape) * np.dtype(self._dtype).itemsize:
            raise pickle.UnpicklingError("an array whose data do not fit its shape")
        flat = np.frombuffer(self._data, self._dtype)
        with np.errstate(over="ignore"):  # whether values are finite is asked elsewhere
            return flat.reshape(self._shape, order=order).astype(np.float32)

    @classmethod
    def from_buffer(cls, data: Any, dtype: Any, shape: Any, order: str) -> "Array":
        """Stands for NumPy's function of protocol 5."""
        array = cls()
        array._is_column_major = order == "F"
        array._fill(data, dtype, shape)
        return array

    @classmethod
    def scalar(cls, dtype: Any, data: Any) -> "Array":
        """Stands for NumPy's function of single numbers."""
        return cls.from_buffer(data, dtype, (), "C")


class _Dtype(StandIn):
    """Notes the name of a number type, ``f4`` for example."""

    def __init__(self, name: str, *_: object) -> None:
        self._name, self._order = name, "<"

    def restore(self, state: Any) -> None:
        self._order = state[1] if state[1] in "<>" else "<"

    def text(self) -> str:
        """Spells it as NumPy does; only real numbers pass."""
        if self._name not in ("f2", "f4", "f8"):
            raise pickle.UnpicklingError(f"numbers of type {self._name}")
        return self._order + self._name


def _reconstruct(*_: object) -> Array:
    return Array()


def _encode(text: str, _: str = "latin1") -> bytes:
    return text.encode("latin1")


ARRAYS: Known = {
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    # NumPy 1 says numpy.core, NumPy 2 says numpy._core.
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): Array.scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): Array.from_buffer for core in ("core", "_core")},
}
"""Stand-ins for all that a pickled array of numbers names."""
