"""Interruption of a forward pass between layers."""

from collections.abc import Callable

from torch import nn


def make_interruptible(networks: nn.Module, check: Callable[[], None]) -> None:
    """Registers a hook that calls a check before every layer.

    An exception of the check leaves the networks unchanged, as layers keep no state between calls.

    Args:
        networks: Networks; the hooks are permanent.
        check: Raises an exception to interrupt the forward pass.
    """
    for module in networks.modules():
        module.register_forward_pre_hook(lambda module, arguments: check())
