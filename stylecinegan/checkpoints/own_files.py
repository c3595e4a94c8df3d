import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from stylecinegan.checkpoints.byte_weights import from_bytes, to_bytes
from stylecinegan.checkpoints.torch_files import check_file, check_tensors
from stylecinegan.errors import InputError

Module = TypeVar("Module", bound=nn.Module)


def save(
    path: str | Path,
    module: nn.Module,
    *,
    notes: Mapping[str, str] | None = None,
    use_half: bool = True,
    use_bytes: bool = False,
) -> None:
    """Writes the weights and the constructor's arguments of a module as safetensors.

    The file is written under a temporary name and renamed when complete.

    Args:
        path: Target, ``….safetensors``.
        module: A module whose ``arguments`` rebuild it.
        notes: Further metadata, e.g. the training step.
        use_half: Stores matrices and kernels in half precision, vectors and statistics unchanged.
        use_bytes: Stores matrices and kernels in 8 bits instead, and vectors in half precision
            (:func:`~stylecinegan.checkpoints.byte_weights.to_bytes`).
    """
    path = Path(path)
    state = module.state_dict()
    if use_bytes:
        state = to_bytes(state)
    elif use_half:
        state = {name: _halved(tensor) for name, tensor in state.items()}
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    metadata = {
        "class": type(module).__name__,
        "arguments": json.dumps(module.arguments),
        **(notes or {}),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(state, temporary, metadata=metadata)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _halved(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() and tensor.ndim >= 2 else tensor


def is_own_file(path: str | Path) -> bool:
    """Whether a file has the safetensors format, whatever its name."""
    with Path(path).open("rb") as stream:
        start = stream.read(9)
    # The length of a JSON object, then the object.
    return start[8:] == b"{"


def load(path: str | Path, expected: type[Module]) -> Module:
    """Rebuilds a module from a file that :func:`save` wrote.

    Args:
        path: ``….safetensors``.
        expected: The class the file must hold.

    Returns:
        The module with its weights, float32, on the CPU, in evaluation mode.

    Raises:
        InputError: If the file is missing or damaged or holds something else.
    """
    path = Path(path)
    metadata, state = read_own_file(path)
    if metadata.get("class") != expected.__name__:
        raise InputError(
            f"{path} must hold a {expected.__name__}, "
            f"found {metadata.get('class', 'no class name')}"
        )
    try:
        arguments = json.loads(metadata["arguments"])
    except (ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{path} lacks the arguments of its {expected.__name__}") from error
    if not isinstance(arguments, dict):
        raise InputError(f"{path}: arguments must be by name, got {type(arguments).__name__}")
    return build(lambda: expected(**arguments), state, path)


def read_own_file(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Reads metadata and tensors of a safetensors file.

    Raises:
        InputError: If the file is missing, too large or damaged.
    """
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path} is not a readable safetensors file: {' '.join(str(error).split())}"
        ) from error
    try:
        return metadata, from_bytes(state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def build(make: Callable[[], Module], state: Mapping[str, Tensor], source: str | Path) -> Module:
    """Builds the module that a file describes, with the file's weights.

    The arguments in a damaged file may be absurd, so the constructor is aborted if it allocates
    many more parameters or values than the file holds.

    Args:
        make: Calls the constructor.
        state: All tensors of the module.
        source: The file, for the messages.

    Returns:
        The module in evaluation mode, float32, on the CPU.

    Raises:
        InputError: If the constructor fails or a tensor does not fit or is not finite.
    """
    try:
        with _Allowance(state):
            module = make()
    except InputError:
        raise
    # Errors of constructors for invalid arguments.
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        MemoryError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{source} describes no network: {type(error).__name__} {reason}") from (
            error
        )
    load_strictly(module, state, source)
    return module.eval()


class _Allowance(TorchFunctionMode):
    """Aborts a constructor that allocates far more than a file holds, before the allocation.

    Building the module on the meta device would do as well, but takes seconds to import.
    """

    _FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        # With a margin, since constants are not saved, and since load_strictly names the missing.
        self._num_tensors = 64 + 2 * len(state)
        self._num_values = 2**20 + 2 * sum(tensor.numel() for tensor in state.values())
        self._hook: RemovableHandle | None = None

    def __enter__(self) -> "_Allowance":
        self._hook = register_module_parameter_registration_hook(self._count_parameter)
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        if self._hook is not None:
            self._hook.remove()
        super().__exit__(*exception)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        if func in self._FACTORIES and args:
            size = args[0] if isinstance(args[0], list | tuple) else args
            self._num_values -= math.prod(side for side in size if isinstance(side, int))
            if self._num_values < 0:
                raise ValueError("its arguments ask for more than its tensors' memory")
        return func(*args, **(kwargs or {}))

    def _count_parameter(self, *_: object) -> None:
        self._num_tensors -= 1
        if self._num_tensors < 0:
            raise ValueError("its arguments ask for more than its tensors")


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Copies a state into a module; all names and shapes must fit and all values be finite.

    Raises:
        InputError: Naming the first missing, unexpected, misshapen or non-finite tensor.
    """
    check_tensors(state, source)
    wanted = module.state_dict()
    for name in wanted:
        if name not in state:
            raise InputError(f"{source} lacks the tensor {name} {list(wanted[name].shape)}")
    for name, tensor in state.items():
        if name not in wanted:
            raise InputError(f"{source} holds the unexpected tensor {name} {list(tensor.shape)}")
        if tensor.shape != wanted[name].shape:
            raise InputError(
                f"{source}: {name} must be {list(wanted[name].shape)}, got {list(tensor.shape)}"
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{source}: {name} holds values that are not finite")
    module.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
