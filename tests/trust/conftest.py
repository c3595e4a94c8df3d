import os
import re
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Job:
    """A script that runs in a process of its own."""

    def __init__(self, pid, output):
        self.pid, self._output, self.status = pid, output, None

    def is_running(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def wait(self, seconds=60):
        end = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"still running: {self.output}")
            time.sleep(0.005)
        return self

    def send(self, number):
        if self.is_running():
            os.kill(self.pid, number)

    @property
    def output(self):
        return self._output.read_text()

    @property
    def errors(self):
        # The progress bar may stand before it in the same line.
        return re.findall(r"error: .*", self.output)


def _refuse_network(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        os.write(2, f"network: {event} {arguments}\n".encode())
        os._exit(99)


def _run(script, arguments, output, cwd, environment, unset, file_limit, uid, path):
    """Is what a fresh process would do; never returns."""
    status = 70
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = (os.fdopen(os.dup(1), "w", 1) for _ in range(2))
        os.chdir(cwd)
        os.environ.update(environment)
        for name in unset:
            os.environ.pop(name, None)
        if file_limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        if uid:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        sys.addaudithook(_refuse_network)
        sys.path[:0] = path
        sys.argv = [script, *arguments]
        runpy.run_path(script, run_name="__main__")
        status = 0
    except SystemExit as stop:
        if isinstance(stop.code, str):
            os.write(2, (stop.code + "\n").encode())
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        # Where coverage is measured, _exit saves it first; a signal would raise out of that, and
        # the fork would go on as a second runner of the tests.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        os._exit(status)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 pages of 4 KB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no permission to mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def start(tmp_path_factory):
    """Starts a script in a forked process, which has everything imported: a start costs seconds.

    Whatever tries to reach the network exits with 99.
    """
    import cv2  # noqa: F401
    import hydra  # noqa: F401
    import torch.utils.tensorboard  # noqa: F401

    import stylecinegan.appearance  # noqa: F401
    from stylecinegan.data import batches, landscapes  # noqa: F401

    folder = tmp_path_factory.mktemp("output")
    jobs = []

    def run(script, *arguments, cwd, environment=None, unset=(), file_limit=0, uid=0, path=()):
        output = folder / f"{len(jobs)}.txt"
        given = [str(argument) for argument in arguments]
        sys.stdout.flush()
        # Blocked until the fork can handle them.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            _run(
                str(ROOT / "scripts" / script), given, output, cwd, environment or {}, unset,
                file_limit, uid, [str(entry) for entry in path],
            )  # fmt: skip
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        jobs.append(Job(pid, output))
        return jobs[-1]

    yield run
    for job in jobs:
        if job.is_running():
            os.kill(job.pid, signal.SIGKILL)
            job.wait()
