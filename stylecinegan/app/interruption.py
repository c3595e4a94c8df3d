"""Networks that can be stopped in their midst."""

from collections.abc import Callable

from torch import nn


def make_interruptible(networks: nn.Module, check: Callable[[], None]) -> None:
    """Has every layer of networks call a check before it computes.

    What the check raises leaves the networks as they were: layers keep no state between calls.

    Args:
        networks: All their modules, for good.
        check: Raises if the result is no longer wanted.
    """
    for module in networks.modules():
        module.register_forward_pre_hook(lambda module, arguments: check())
