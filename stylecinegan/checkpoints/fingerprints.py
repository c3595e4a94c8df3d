"""Weights by their contents."""

import hashlib

from torch import nn


def fingerprint(module: nn.Module | None) -> str:
    """A short hash of all weights, so that other weights are other settings; ``"none"`` of none."""
    if module is None:
        return "none"
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()[:16]
