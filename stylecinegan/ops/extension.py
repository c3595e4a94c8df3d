"""Compiles ``csrc/`` on first use, loads it, and registers shapes and gradients.

The libraries go to a folder of the user, under a name that changes with the sources, the compiler's
flags, the processor and PyTorch. They are built against the stable ABI of libtorch by one plain
compiler line each. The CUDA library is separate and built only when a tensor on CUDA asks for it.
"""

import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import torch

from stylecinegan.errors import ExtensionError

logger = logging.getLogger(__name__)

SOURCES = Path(__file__).parent / "csrc"
_TORCH = Path(torch.__file__).parent

# Stable ABI 2.10: the oldest version with every call that the sources make.
_ABI = ["-std=c++17", "-O3", "-shared", "-DTORCH_TARGET_VERSION=0x020a000000000000"]
# Without contraction to fused multiply-adds a sum does not depend on how a loop was compiled.
_CPU_FLAGS = ["-fPIC", "-march=native", "-ffp-contract=off", "-fno-math-errno"]
_CPU_FLAGS += ["-fno-trapping-math"]
_CUDA_FLAGS = ["-Xcompiler", "-fPIC", "-DUSE_CUDA"]

_lock = threading.Lock()
_loaded: set[str] = set()
_failures: dict[str, str] = {}
_warned: set[str] = set()


def is_available(device: str) -> bool:
    """Whether compiled operators run on a type of device; compiles and loads them if need be.

    Logs one warning where they should compile and do not: of the processes that torchrun or Slurm
    started on a machine, the first does.

    Args:
        device: Type of a device, such as ``"cpu"``.
    """
    if device not in ("cpu", "cuda"):
        return False
    try:
        load(device)
    except ExtensionError as error:
        with _lock:
            is_said = device in _warned
            _warned.add(device)
        if not is_said:
            number = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
            level = logging.WARNING if number == "0" else logging.DEBUG
            logger.log(level, "%s; PyTorch's own, slower operations give the same result", error)
        return False
    return True


def load(device: str) -> None:
    """Compiles, unless that was done before, and loads the operators for a type of device.

    Any number of threads and processes may call this at once.

    Args:
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        ExtensionError: If there are no compiled operators for the device or they do not compile.
    """
    if device in _loaded:
        return
    with _lock:
        if device in _loaded:
            return
        if device in _failures:
            raise ExtensionError(_failures[device])
        try:
            # The CPU library declares the operators; that of CUDA only adds kernels.
            for name in ("cpu",) if device == "cpu" else ("cpu", device):
                if name not in _loaded:
                    _load_library(name)
        except ExtensionError as error:
            _failures[device] = str(error)
            raise


# What torch.compiler.assume_constant_result does, without its import of the whole compiler, which
# takes longer than anything else here: torch.compile calls both while it traces.
is_available._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]
load._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]


def _load_library(device: str) -> None:
    if device not in ("cpu", "cuda"):
        raise ExtensionError(f"there are no compiled operators for the device {device!r}")
    path = build(device)
    try:
        torch.ops.load_library(path)
    except OSError as error:
        raise ExtensionError(f"the compiled operators {path} do not load: {error}") from error
    if device == "cpu":
        _register()
    _loaded.add(device)


def build(device: str, cache_dir: Path | None = None) -> Path:
    """Compiles the operators for a type of device; needs no such device.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        cache_dir: Folder of the libraries, by default the user's cache folder.

    Returns:
        The library.

    Raises:
        ExtensionError: If there is no compiler, it fails, or the folder cannot be written.
    """
    command = _cpu_command() if device == "cpu" else _cuda_command()
    folder = cache_dir or _cache_dir()
    library = folder / f"splatting-{device}-{_fingerprint(command)}.so"
    if library.exists():
        return library
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Renamed when complete: another process sees no library or a whole one.
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            unfinished = Path(temporary) / library.name
            _run([*command, "-o", str(unfinished)], temporary)
            unfinished.replace(library)
    except OSError as error:
        raise ExtensionError(f"the operators cannot be compiled into {folder}: {error}") from error
    return library


def _run(command: list[str], temporary: str) -> None:
    # nvcc's intermediate files of two builds at once have met in a common folder.
    environment = {**os.environ, "TMPDIR": temporary}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode != 0:
        output = (result.stderr or result.stdout).strip()
        lines = [line for line in output.splitlines() if "error" in line] or output.splitlines()
        cause = lines[0] if lines else f"exit status {result.returncode}"
        raise ExtensionError(f"the operators do not compile ({command[0]}): {cause}")


def _cpu_command() -> list[str]:
    preferred = os.environ.get("CXX") or "g++"
    path = shutil.which(preferred) or shutil.which("c++") or shutil.which("clang++")
    if path is None:
        raise ExtensionError("no C++ compiler on the PATH (g++, clang++) for the fast operators")
    return [path, *_ABI, *_CPU_FLAGS, str(SOURCES / "splatting.cpp"), *_torch_flags("torch_cpu")]


def _cuda_command() -> list[str]:
    path = shutil.which("nvcc")
    if path is None:
        raise ExtensionError("no nvcc on the PATH for the fast CUDA operators")
    targets = [f"-gencode=arch=compute_{arch},code={code}" for arch, code in _cuda_targets()]
    libraries = _torch_flags("torch_cpu", "torch_cuda")
    return [path, *_ABI, *_CUDA_FLAGS, *targets, str(SOURCES / "splatting.cu"), *libraries]


def _cuda_targets() -> list[tuple[str, str]]:
    # Newer devices than sm_90 compile its intermediate code when they load it.
    targets = [("80", "sm_80"), ("90", "sm_90"), ("90", "compute_90")]
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        if major < 8:
            targets = [(f"{major}{minor}", f"sm_{major}{minor}")]
    return targets


def _torch_flags(*libraries: str) -> list[str]:
    flags = [f"-I{_TORCH / 'include'}", f"-L{_TORCH / 'lib'}"]
    flags += [f"-l{name}" for name in libraries]
    if sys.platform == "darwin":
        flags += ["-undefined", "dynamic_lookup"]
    return flags


def _fingerprint(command: list[str]) -> str:
    digest = hashlib.sha256()
    for part in (torch.__version__, _processor(), *command):
        digest.update(part.encode() + b"\0")
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


@functools.cache
def _processor() -> str:
    # Code for this very processor must not be loaded by another that shares the home folder.
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    wanted = ("model name", "flags", "Features")
    return platform.machine() + "".join(sorted({n for n in lines if n.startswith(wanted)}))


def _cache_dir() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(root) if root else Path.home() / ".cache") / "stylecinegan" / "operators"
    except RuntimeError as error:  # a user without a home folder
        raise ExtensionError(f"no folder for the compiled operators: {error}") from error


def _register() -> None:
    """Adds shapes and gradients to the operators that the library declares."""
    operators = torch.ops.stylecinegan

    @torch.library.register_fake("stylecinegan::splat")
    def _(feature, displacement):
        return feature.new_empty(feature.shape)

    @torch.library.register_fake("stylecinegan::splat_backward")
    def _(grad_sums, feature, displacement):
        return feature.new_empty(feature.shape), displacement.new_empty(displacement.shape)

    @torch.library.register_fake("stylecinegan::joint_splat")
    def _(feature, weight, from_start, from_end, progress, smallest_weight):
        batch, _, height, width = feature.shape
        return feature.new_empty(feature.shape), feature.new_empty(batch, 2, height, width)

    @torch.library.register_fake("stylecinegan::euler_step")
    def _(displacement, motion, is_nearest):
        return displacement.new_empty(displacement.shape)

    @torch.library.register_fake("stylecinegan::resize_displacement")
    def _(displacement, height, width):
        return displacement.new_empty(displacement.shape[0], 2, height, width)

    @torch.library.register_fake("stylecinegan::render_frame")
    def _(levels, from_start, from_end, border, progress, smallest_weight, *rest):
        photo = rest[3]
        return photo.new_empty(photo.shape)

    def save_inputs(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    def backward(ctx, grad_sums):
        return operators.splat_backward(grad_sums, *ctx.saved_tensors)

    torch.library.register_autograd("stylecinegan::splat", backward, setup_context=save_inputs)
