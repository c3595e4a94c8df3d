"""Runs scripts in forks of a process that has imported everything: a fresh start costs seconds."""

import atexit
import gc
import importlib
import os
import runpy
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

IMPORTED_BY_SCRIPTS = ("hydra", "cv2", "torchvision", "torch.utils.tensorboard")


@dataclass(frozen=True)
class Job:
    """A script and the process that it expects; its outputs go to files, or to one."""

    script: str
    arguments: list[str]
    cwd: str
    environment: dict[str, str]
    stdout: str
    stderr: str


def serve(connection: Connection) -> None:
    """Forks for each job that is received and answers with its process id, then its status."""
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        pid = os.fork()
        if pid == 0:
            connection.close()
            end_with(become(job))
        connection.send(pid)
        connection.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def become(job: Job) -> int:
    """Runs a script as the main program of this process; its exit status."""
    for path, number in ((job.stdout, 1), (job.stderr, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.chdir(job.cwd)
    os.environ.clear()
    os.environ.update(job.environment)
    sys.argv = [job.script, *job.arguments]
    sys.path[0] = str(Path(job.script).parent)
    try:
        runpy.run_path(job.script, run_name="__main__")
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def end_with(status: int) -> None:
    """Ends as an interpreter does, but for tearing every module down, which costs a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def import_commands() -> None:
    """Imports every command with what it needs, except for extras that are not installed."""
    from stylecinegan.cli.main import COMMANDS

    for name in (*IMPORTED_BY_SCRIPTS, *(f"stylecinegan.cli.{command}" for command in COMMANDS)):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue


if __name__ == "__main__":
    import_commands()
    gc.freeze()  # a collection in a fork would copy every page that it looks at
    serve(Connection(int(sys.argv[1])))
    os._exit(0)
