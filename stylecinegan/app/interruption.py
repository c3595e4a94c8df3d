"""Interruption of computation between layers and between functions of PyTorch."""

import sys
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode


class InterruptibleFunctions(TorchFunctionMode):
    """Calls a check before every function of PyTorch in a ``with`` block.

    Only in the thread of the block; networks that run beside it need :func:`make_interruptible`.
    A generator that is being closed cleans up without interruption: nothing could catch it.

    Args:
        check: Raises an exception to interrupt the block.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if not isinstance(sys.exc_info()[1], GeneratorExit):
            self._check()
        return func(*args, **(kwargs or {}))


def make_interruptible(networks: nn.Module, check: Callable[[], None]) -> None:
    """Registers a hook that calls a check before every layer.

    An exception of the check leaves the networks unchanged, as layers keep no state between calls.

    Args:
        networks: Networks; the hooks are permanent.
        check: Raises an exception to interrupt the forward pass.
    """
    for module in networks.modules():
        module.register_forward_pre_hook(lambda module, arguments: check())
