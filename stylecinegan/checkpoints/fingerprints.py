"""Fingerprints of weights."""

import hashlib

from torch import nn


def fingerprint(module: nn.Module | None) -> str:
    """Short hash of all weights, for the settings of measurements; ``"none"`` without any."""
    if module is None:
        return "none"
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()[:16]
