"""Distinct names for the results of a sweep's jobs (-m)."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

MULTIRUN_FLAGS = ("-m", "--multirun")

_LONGEST = 80
"""Longest addition to a name, in characters; longer ones are cut and numbered."""


def is_sweep(arguments: Sequence[str]) -> bool:
    """Whether a command line starts a sweep."""
    return any(argument in MULTIRUN_FLAGS for argument in arguments)


def first_job(arguments: Sequence[str]) -> list[str]:
    """Overrides of the first job of a sweep, without flags."""
    parsed = OverridesParser.create().parse_overrides(_overrides(arguments))
    first = []
    for override in parsed:
        if override.is_sweep_override():
            value = next(override.sweep_string_iterator())
            first.append(f"{override.get_key_element()}={value}")
        else:
            first.append(str(override.input_line))
    return first


def name_jobs(arguments: Sequence[str]) -> list[str]:
    """Adds overrides that restrict the names of :func:`job_path` to the settings that vary."""
    parsed = OverridesParser.create().parse_overrides(_overrides(arguments))
    constant = [override.key_or_group for override in parsed if not override.is_sweep_override()]
    listed = ",".join(f'"{key}"' for key in constant)
    return [
        *arguments,
        f"hydra.job.config.override_dirname.exclude_keys=[{listed}]",
        "hydra.job.config.override_dirname.item_sep=_",
    ]


def job_path(path: str | Path) -> Path:
    """Path of a result; in a sweep, the varied settings are appended to the name.

    Args:
        path: File or folder without sweeps: ``a.mp4`` becomes ``a_speed=0.5.mp4``.
    """
    path = Path(path)
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return path
    job = HydraConfig.get().job
    difference = re.sub("[\"']", "", job.override_dirname)
    addition = re.sub(r"[^\w.=+,-]+", "-", difference)
    if addition != difference or len(addition) > _LONGEST:
        addition = f"{addition[:_LONGEST]}_{job.num}"  # replaced characters may collide
    if not addition:
        return path
    return path.with_name(f"{path.stem}_{addition}{path.suffix}")


def _overrides(arguments: Sequence[str]) -> list[str]:
    # Values after a flag, such as the folder of --config-dir, have no equals sign.
    settings = [argument for argument in arguments if not argument.startswith("-")]
    return [argument for argument in settings if "=" in argument or argument.startswith("~")]
