"""Commands in processes of their own, as a user starts them."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fork_server import Job

ROOT = Path(__file__).parents[1]


def environment_of_tests(**variables):
    """Variables of a process that uses this checkout, even where another one is installed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **variables}


def run(*command, cwd=None, timeout=200, **environment):
    """Runs a command to its end; its return code and outputs are for the test to check.

    Args:
        command: Program and arguments.
        cwd: Folder that it runs in.
        timeout: Seconds after which the test fails.
        environment: Variables beside those of the tests.
    """
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment_of_tests(**environment),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_script(name, *arguments, cwd=None, timeout=200, is_joined=False, **environment):
    """Runs a file of scripts/, in a fork of a process that has imported everything.

    Variables that count while something is imported need :func:`run`.

    Args:
        name: Of the file.
        arguments: Of the script.
        cwd: Folder that it runs in.
        timeout: Seconds after which the test fails.
        is_joined: Whether both outputs are in `stdout`, as a terminal shows them.
        environment: Variables beside those of the tests.
    """
    script = str(ROOT / "scripts" / name)
    arguments = [str(argument) for argument in arguments]
    server = _fork_server()
    with tempfile.TemporaryDirectory() as outputs:
        stdout, stderr = f"{outputs}/stdout", f"{outputs}/stderr"
        Path(stderr).touch()
        server.send(
            Job(
                script,
                arguments,
                str(cwd or Path.cwd()),
                environment_of_tests(**environment),
                stdout,
                stdout if is_joined else stderr,
            )
        )
        pid = server.recv()
        is_late = not server.poll(timeout)
        if is_late:
            os.kill(pid, signal.SIGKILL)
        status = server.recv()
        printed = [Path(path).read_text("utf-8") for path in (stdout, stderr)]
    command = [sys.executable, script, *arguments]
    if is_late:
        raise subprocess.TimeoutExpired(command, timeout, *printed)
    return subprocess.CompletedProcess(command, status, *printed)


def run_code(code, *arguments, **options):
    """Runs Python code."""
    return run(sys.executable, "-c", code, *arguments, **options)


@cache
def _fork_server():
    """The other end of a server that lives as long as the tests do."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
            cwd=ROOT,
            env=environment_of_tests(),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    connection = Connection(ours.detach())

    def stop():
        connection.close()
        process.wait(10)

    atexit.register(stop)
    return connection
