"""Commands in processes of their own, as a user starts them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*command, cwd=None, timeout=200, **environment):
    """Runs a command to its end; its return code and outputs are for the test to check.

    Args:
        command: Program and arguments.
        cwd: Folder that it runs in.
        timeout: Seconds after which the test fails.
        environment: Variables beside those of the tests.
    """
    # This checkout, even where another one is installed.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_script(name, *arguments, **options):
    """Runs a file of scripts/."""
    return run(sys.executable, ROOT / "scripts" / name, *arguments, **options)


def run_code(code, *arguments, **options):
    """Runs Python code."""
    return run(sys.executable, "-c", code, *arguments, **options)
