"""Checks of user input, and choices that depend on the machine: device, precision, size."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.errors import InputError


def check_number(name: str, value: object, *, least: float, is_whole: bool = False) -> None:
    """Checks a number of the user.

    Args:
        name: Its name in the error message.
        value: The number.
        least: Smallest allowed value.
        is_whole: Whether it must be an integer.

    Raises:
        InputError: If it is no (whole) number or less than ``least``.
    """
    is_number = isinstance(value, int if is_whole else int | float)
    # The comparison also refuses NaN, and a bool is no number here.
    if not is_number or isinstance(value, bool) or not float(value) >= least:
        kind = "a whole number" if is_whole else "a number"
        raise InputError(f"{name} must be {kind} of at least {least:g}, got {value}")


def check_photo(photo: Tensor) -> None:
    """Checks the shape of a photo.

    Raises:
        InputError: If it is not ``[1, 3, H, W]``.
    """
    if photo.ndim != 4 or photo.shape[:2] != (1, 3):
        raise InputError(f"a photo must be [1, 3, H, W], got {list(photo.shape)}")


def choose_device(name: str, process: int = 0) -> torch.device:
    """Chooses a device; ``"auto"`` is a GPU if there is one.

    Args:
        name: ``"auto"``, ``"cuda"`` or a device's name.
        process: Local rank; processes take the GPUs in turn.

    Raises:
        InputError: If this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and process and torch.cuda.device_count():
        name = f"cuda:{process % torch.cuda.device_count()}"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device must be auto, cpu or cuda, got {name}: {reason}") from error
    return device


PRECISIONS = ("fp32", "bf16", "fp16")


def check_precision(name: str) -> str:
    """Checks the name of a compute dtype and returns it.

    Raises:
        InputError: If it is none of :data:`PRECISIONS`.
    """
    if name not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {name}")
    return name


def choose_precision(name: str, device: torch.device) -> str:
    """Chooses a compute dtype; ``"auto"`` is bf16 where the device has instructions for it.

    Raises:
        InputError: If it is neither ``"auto"`` nor one of :data:`PRECISIONS`.
    """
    if name != "auto":
        return check_precision(name)
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    # Emulated bf16 is slower than fp32: only processors with the instructions gain.
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"


def resize_photo(photo: Tensor, size: int | tuple[int, int] | None) -> Tensor:
    """Resizes a photo.

    Args:
        photo: ``[1, 3, H, W]`` in [-1, 1].
        size: Longer side, or (height, width), or ``None`` to keep it.

    Raises:
        InputError: If the size is not one number or two, of at least 64 pixels.
    """
    if size is None:
        return photo
    if isinstance(size, int):
        scale = size / max(photo.shape[2:])
        height, width = (max(1, round(side * scale)) for side in photo.shape[2:])
    else:
        try:
            height, width = (int(side) for side in size)
        except (TypeError, ValueError) as error:
            raise InputError(f"size must be a number or [height,width], got {size}") from error
    if max(height, width) < 64:
        raise InputError(f"size must be at least 64 pixels, got {size}")
    if (height, width) == tuple(photo.shape[2:]):
        return photo
    resized = F.interpolate(photo, (height, width), mode="bicubic", antialias=True)
    return resized.clamp(-1.0, 1.0)
