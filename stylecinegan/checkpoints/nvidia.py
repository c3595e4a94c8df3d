"""NVIDIA's pickles: stylegan2-ada (TensorFlow), stylegan2-ada-pytorch and stylegan3.

The PyTorch pickles contain the source code of their classes, which the original loader executes.
Here stand-ins replace the classes, and only the tensors of a network are kept.
"""

import io
import pickle
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, _utils

from stylecinegan.checkpoints.restricted_pickles import (
    ARRAYS,
    Array,
    Dictionary,
    Known,
    RestrictedUnpickler,
    StandIn,
)

# A 1024 generator has 182 tensors, three levels deep.
_MAX_TENSORS, _MAX_DEPTH = 4096, 8


class PersistentNetwork(StandIn):
    """Stand-in for NVIDIA's persistent classes; their source code is ignored.

    Args:
        meta: Argument of ``_reconstruct_persistent_obj``.
    """

    def __init__(self, meta: Any) -> None:
        self.class_name = str(meta["class_name"])
        self.state = meta["state"]

    def tensors(self) -> dict[str, Tensor]:
        """Collects parameters and buffers, by the names that a state dict would give them."""
        found: dict[str, Tensor] = {}
        for name, tensor in self._walk("", 0):
            found[name] = tensor
            if len(found) > _MAX_TENSORS:
                raise pickle.UnpicklingError(f"more than {_MAX_TENSORS} tensors in a network")
        return found

    def _walk(self, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
        if depth > _MAX_DEPTH:
            raise pickle.UnpicklingError(f"networks nested {depth} levels deep")
        for kind in ("_parameters", "_buffers"):
            for name, tensor in self.state.get(kind, {}).items():
                if tensor is not None:
                    yield f"{prefix}{name}", tensor
        for name, network in self.state.get("_modules", {}).items():
            if not isinstance(network, PersistentNetwork):
                raise pickle.UnpicklingError(f"{name} is no network")
            yield from network._walk(f"{prefix}{name}.", depth + 1)


class TensorFlowNetwork(StandIn):
    """A network in a TensorFlow pickle of stylegan2-ada."""

    class_name = "TensorFlow network"

    def __init__(self) -> None:
        self._state: Mapping[str, Any] = {}

    def restore(self, state: Any) -> None:
        """Sets variables and components."""
        self._state = state

    def tensors(self) -> dict[str, Tensor]:
        """Collects the variables under the names and in the layout of the PyTorch versions."""
        variables = dict(self._variables("", 0))
        return {
            name: _in_pytorch_layout(foreign, array)
            for foreign, array in variables.items()
            if (name := _pytorch_name(foreign)) is not None
        }

    def _variables(self, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
        if depth > _MAX_DEPTH:
            raise pickle.UnpicklingError(f"networks nested {depth} levels deep")
        for name, array in self._state["variables"]:
            if isinstance(array, Array):
                yield f"{prefix}{name}", torch.from_numpy(array.decode())
        for name, network in self._state["components"].items():
            yield from network._variables(f"{prefix}{name}/", depth + 1)


_TF_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}
_TF_TENSORS = {"mod_weight": "affine.weight", "mod_bias": "affine.bias"}


def _pytorch_name(name: str) -> str | None:
    """PyTorch's name of a TensorFlow variable; ``None`` for one that only training uses."""
    if name == "dlatent_avg":
        return "mapping.w_avg"
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const"
    if match := re.fullmatch(r"mapping/Dense(\d+)/(weight|bias)", name):
        return f"mapping.fc{match[1]}.{match[2]}"
    if match := re.fullmatch(r"synthesis/noise(\d+)", name):
        # Two noise maps per resolution, but one at 4x4.
        index = int(match[1])
        return f"synthesis.b{2 ** ((index + 5) // 2)}.conv{(index + 1) % 2}.noise_const"
    if match := re.fullmatch(r"synthesis/(\d+)x\1/(\w+)/(\w+)", name):
        layer = _TF_LAYERS.get(match[2], match[2])
        return f"synthesis.b{match[1]}.{layer}.{_TF_TENSORS.get(match[3], match[3])}"
    # The level of detail of progressive growing; as a class of one letter for the spelling check.
    return None if re.fullmatch(r"(\w+/)?lo[d]", name) else name


def _in_pytorch_layout(name: str, tensor: Tensor) -> Tensor:
    kind = name.rpartition("/")[2]
    if kind == "mod_bias":
        return tensor + 1.0  # TensorFlow adds the 1 at run time
    if kind == "const" or re.fullmatch(r"noise\d+", kind):
        return tensor[0] if kind == "const" else tensor[0, 0]
    if tensor.ndim == 2:
        return tensor.t()
    if tensor.ndim != 4:
        return tensor
    if "Conv0_up" in name:  # TensorFlow stores the kernels of upsampling mirrored
        tensor = tensor.flip(0, 1)
    return tensor.permute(3, 2, 0, 1)


def _load_storage(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> Tensor:
    return _utils._rebuild_tensor(storage, offset, size, stride)


def _rebuild_parameter(data: Any, *_: object) -> Any:
    return data


_KNOWN: Known = {
    **ARRAYS,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): PersistentNetwork,
    ("dnnlib.tflib.network", "Network"): TensorFlowNetwork,
    ("dnnlib.util", "EasyDict"): Dictionary,
    ("collections", "OrderedDict"): Dictionary,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch.storage", "_load_from_bytes"): _load_storage,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}


def read(data: bytes) -> Any:
    """Reads an NVIDIA pickle.

    Args:
        data: The content of the file.

    Returns:
        A dictionary of networks (``G_ema`` is the averaged generator), or a tuple of networks, of
        which the averaged generator is the last.

    Raises:
        UnpicklingError: If it names an unknown class or function; if it is damaged, also the other
            errors of ``DAMAGED``.
    """
    return RestrictedUnpickler(data, _KNOWN).load()
