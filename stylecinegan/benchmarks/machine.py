"""Description of the machine that times are measured on."""

import os
import platform
from pathlib import Path

import torch


def describe_machine(device: torch.device) -> dict[str, str | float]:
    """Describes the processor, the versions of Python and PyTorch, the load and the GPU in use.

    Args:
        device: Device of the computations.

    Returns:
        Values by name, for a report.
    """
    description: dict[str, str | float] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    if hasattr(os, "getloadavg"):
        # If it is well above 0, other jobs share the machine and times are unreliable.
        description["load before"] = round(os.getloadavg()[0], 2)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        description["GPU"] = properties.name
        description["GPU memory GB"] = round(properties.total_memory / 1e9, 1)
        description["CUDA"] = str(torch.version.cuda)
    return description


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
