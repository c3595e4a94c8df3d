"""Rendezvous of the processes of a training, with messages about missing ones."""

import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch.distributed as dist

from stylecinegan.errors import InputError

logger = logging.getLogger(__name__)

_FIRST_MESSAGE_S = 3.0
"""Seconds of waiting before the first message."""

_MESSAGE_INTERVAL_S = 30.0
_POLL_INTERVAL_S = 0.2
_CONNECT_S = 10


@dataclass(frozen=True)
class Rendezvous:
    """Rank and rendezvous address of this process, which launchers set in the environment.

    Attributes:
        rank: Number of this process.
        world_size: Number of processes.
        address: Host of the store (``MASTER_ADDR``).
        port: Port of the store (``MASTER_PORT``).
        has_agent: Whether the launcher runs the store; process 0 does otherwise.
        attempt: Number of earlier starts by the launcher.
    """

    rank: int
    world_size: int
    address: str
    port: int
    has_agent: bool = False
    attempt: int = 0


def read_rendezvous(environment: Mapping[str, str]) -> Rendezvous | None:
    """Reads the rank and rendezvous of this process; ``None`` without a launcher.

    Raises:
        InputError: If a variable of the launcher is missing or invalid.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return None
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in names if name not in environment]
    if missing:
        raise InputError(f"wanted {', '.join(names)} of a launcher, found no {missing[0]}")
    numbers = {}
    for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"):
        if not environment[name].isdecimal():
            raise InputError(f"wanted a number in {name}, found {environment[name]!r}")
        numbers[name] = int(environment[name])
    rank, world_size, port = numbers.values()
    if rank >= world_size:
        raise InputError(f"wanted RANK below WORLD_SIZE={world_size}, found {rank}")
    if port >= 2**16:
        raise InputError(f"wanted a port below 65536 in MASTER_PORT, found {port}")
    return Rendezvous(
        rank,
        world_size,
        environment["MASTER_ADDR"],
        port,
        environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        int(environment.get("TORCHELASTIC_RESTART_COUNT", "0")),
    )


def join(rendezvous: Rendezvous, *, timeout_s: float) -> dist.Store:
    """Waits until every process has joined; logs how many are missing.

    Waits in Python, because PyTorch's own wait is silent and blocks signals.

    Args:
        rendezvous: Rank and rendezvous of this process.
        timeout_s: Largest number of seconds to wait.

    Returns:
        The store, shared by all processes.

    Raises:
        InputError: If not all join in time, the port cannot be used, or a rank is taken twice.
    """
    waiting = _Waiting(rendezvous, timeout_s)
    is_host = rendezvous.rank == 0 and not rendezvous.has_agent
    while not is_host and not _answers(rendezvous):
        waiting.pause("the first")
    store = dist.PrefixStore(f"attempt{rendezvous.attempt}", _open(rendezvous, is_host=is_host))
    if store.add(f"joined/{rendezvous.rank}", 1) > 1:
        raise InputError(f"wanted processes of different RANK, found two of {rendezvous.rank}")
    store.add("joined", 1)
    while (num_joined := store.add("joined", 0)) < rendezvous.world_size:
        waiting.pause(str(rendezvous.world_size - num_joined))
    store.set_timeout(timedelta(seconds=timeout_s))
    return store


class _Waiting:
    """Polling with messages about missing processes and a timeout."""

    def __init__(self, rendezvous: Rendezvous, timeout_s: float) -> None:
        self._rendezvous = rendezvous
        self._timeout_s = timeout_s
        self._begin = time.monotonic()
        self._next_message = self._begin + _FIRST_MESSAGE_S

    def pause(self, missing: str) -> None:
        """Sleeps for one polling interval.

        Args:
            missing: Which processes are missing, for messages.

        Raises:
            InputError: If the timeout has passed.
        """
        rendezvous, now = self._rendezvous, time.monotonic()
        if now - self._begin > self._timeout_s:
            raise InputError(
                f"waited {self._timeout_s:g} s (distributed.timeout_s) for {missing} of "
                f"{rendezvous.world_size} processes ({rendezvous.address}:{rendezvous.port})"
            )
        if now > self._next_message:
            self._next_message = now + _MESSAGE_INTERVAL_S
            logger.warning(
                "waiting for %s of %d processes (%s:%d)",
                missing,
                rendezvous.world_size,
                rendezvous.address,
                rendezvous.port,
            )
        time.sleep(_POLL_INTERVAL_S)


def _answers(rendezvous: Rendezvous) -> bool:
    """Whether the store accepts connections."""
    try:
        with socket.create_connection((rendezvous.address, rendezvous.port), timeout=1):
            return True
    except OSError:
        return False


def _open(rendezvous: Rendezvous, *, is_host: bool) -> dist.TCPStore:
    try:
        return dist.TCPStore(
            rendezvous.address,
            rendezvous.port,
            is_master=is_host,
            timeout=timedelta(seconds=_CONNECT_S),
            wait_for_workers=False,
        )
    except (dist.DistError, RuntimeError) as error:
        reason = "in use" if "EADDRINUSE" in str(error) else str(error).splitlines()[0]
        raise InputError(
            f"cannot meet at {rendezvous.address}:{rendezvous.port} (MASTER_ADDR, MASTER_PORT): "
            f"{reason}"
        ) from error
