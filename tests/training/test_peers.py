"""Processes that do not come, or go while others wait for them."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from stylecinegan.errors import InputError
from stylecinegan.training.rendezvous import read_rendezvous

PROGRAM = """\
import os, signal, sys, time, torch
from omegaconf import OmegaConf
from stylecinegan.cli import command_line
from stylecinegan.training import distributed
signal.signal(signal.SIGTERM, signal.default_int_handler)
@command_line.errors_in_one_line
def main(cfg):
    with distributed.process_group(torch.device("cpu"), timeout_s=float(sys.argv[1])):
        print("together", flush=True)
        if sys.argv[2] == "work":
            while True:
                distributed.any_rank(False)
                time.sleep(0.02)
        time.sleep(3600)
main(OmegaConf.create())
"""

PATIENCE = 200
"""Seconds: a busy machine is slow, and how fast a process ends is not the question."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def start():
    """Starts a process of a group and stops it in the end."""
    processes = []

    def run(rank, world_size, port, *, timeout_s=60, role="work"):
        group = {"RANK": rank, "WORLD_SIZE": world_size, "MASTER_PORT": port}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(timeout_s), role],
                env={**os.environ, **group, "MASTER_ADDR": "127.0.0.1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def read_until(stream, words):
    for line in stream:
        if words in line:
            return line
    raise AssertionError(f"ended without {words}")


@pytest.mark.parametrize(
    ("rank", "missing", "number"),
    [("0", "3 of 4", signal.SIGTERM), ("2", "the first of 4", signal.SIGINT)],
)
def test_a_process_that_waits_for_others_logs_it_and_ends_at_a_signal(start, rank, missing, number):
    port = free_port()
    process = start(rank, "4", port)
    line = read_until(process.stderr, "waiting")
    assert f"waiting for {missing} processes (127.0.0.1:{port})" in line
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "stopped"


def test_a_process_that_waits_longer_than_the_limit_ends_with_one_line(start):
    port = free_port()
    process = start("0", "2", port, timeout_s=1)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert errors == (
        f"error: waited 1 s (distributed.timeout_s) for 1 of 2 processes (127.0.0.1:{port})\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_that_waits_for_one_that_does_not_answer(start, number):
    port = free_port()
    waiting, frozen = (start(rank, "2", port, timeout_s=600) for rank in ("0", "1"))
    for process in (waiting, frozen):
        read_until(process.stdout, "together")
    frozen.send_signal(signal.SIGSTOP)  # as a machine that has lost its network
    time.sleep(1)
    waiting.send_signal(number)
    _, errors = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 1
    assert errors == "error: stopped; process 1 does not answer any more\n"


def test_a_process_that_loses_another_ends_with_one_line(start):
    port = free_port()
    killed, left = (start(rank, "2", port, timeout_s=600) for rank in ("0", "1"))
    for process in (killed, left):
        read_until(process.stdout, "together")
    killed.kill()
    _, errors = left.communicate(timeout=PATIENCE)
    assert left.returncode == 1
    assert errors.splitlines()[-1].startswith("error: process 1 lost the others")
    assert "Traceback" not in errors


def test_a_signal_is_left_to_the_program_while_all_processes_live(start):
    port = free_port()
    told, other = (start(rank, "2", port) for rank in ("0", "1"))
    for process in (told, other):
        read_until(process.stdout, "together")
    told.send_signal(signal.SIGTERM)
    _, errors = told.communicate(timeout=PATIENCE)
    assert errors.splitlines()[-1] == "stopped"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MASTER_ADDR": None}, "found no MASTER_ADDR"),
        ({"RANK": "two"}, "a number in RANK, found 'two'"),
        ({"RANK": "4"}, "RANK below WORLD_SIZE=4, found 4"),
        ({"MASTER_PORT": "99999"}, "below 65536 in MASTER_PORT, found 99999"),
    ],
)
def test_invalid_variables_of_a_launcher_are_refused(changes, message):
    environment = {"RANK": "0", "WORLD_SIZE": "4", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    environment |= {name: value for name, value in changes.items() if value is not None}
    for name in [name for name, value in changes.items() if value is None]:
        del environment[name]
    with pytest.raises(InputError, match=message):
        read_rendezvous(environment)


def test_a_process_without_a_launcher_is_alone():
    assert read_rendezvous({"PATH": "/bin"}) is None
