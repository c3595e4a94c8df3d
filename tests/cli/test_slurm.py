"""Preemption on a real Slurm of one node, which the test starts (Debian: slurm-wlm and munge)."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stylecinegan.training.run_state import list_states, load_latest_state
from tests.training.toy_task import draw_landscapes, write_experiment

ROOT = Path(__file__).parents[2]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel")
SEARCH = "/usr/sbin:/usr/local/sbin:" + os.environ["PATH"]
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}
SlurmUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
# Requeued jobs wait until the credential of their last start has expired, 120 s by default.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
ReturnToService=2
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        os.geteuid() != 0 or any(shutil.which(name, path=SEARCH) is None for name in PROGRAMS),
        reason="needs root, slurm-wlm and munge",
    ),
]


@pytest.fixture
def slurm(tmp_path):
    """Runs a cluster of this machine alone; gives the environment of its commands."""
    folder = tmp_path / "slurm"
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    configuration = CONFIGURATION.format(
        host=socket.gethostname().split(".")[0],
        folder=folder,
        controller_port=free_port(),
        node_port=free_port(),
        cpus=os.cpu_count(),
    )
    (folder / "slurm.conf").write_text(configuration)
    environment = {**os.environ, "PATH": SEARCH, "SLURM_CONF": str(folder / "slurm.conf")}
    environment["PYTHONPATH"] = str(ROOT)
    environment["OMP_NUM_THREADS"] = "1"
    munge = [f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket", "--foreground"]
    munge += [f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/seed", "--force"]
    munge += [f"--log-file={folder}/munge.log"]
    daemons = []
    try:
        for command in (["munged", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]):
            daemons.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            time.sleep(2)
            assert daemons[-1].poll() is None, f"{command[0]} does not run, see {folder}"
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root"], env=environment, check=False, timeout=30)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)


def test_a_job_preempted_twice_ends_at_the_weights_of_an_uninterrupted_run(slurm, tmp_path):
    photos = draw_landscapes(tmp_path / "photos")
    write_experiment(
        tmp_path,
        {"noise": 0.1, "delay": 0.1},
        num_steps=250,
        batch_size=4,
        num_workers=1,
        save_every=20,
    )
    arguments = ["--config-dir", tmp_path / "configs", "experiment=toy", f"data.dir={photos}"]

    log = tmp_path / "slurm.log"
    command = ["sbatch", "--cpus-per-task=1", f"--output={log}"]
    command += [ROOT / "scripts/slurm/train.sbatch", *arguments]
    submitted = subprocess.run(
        [*command, f"hydra.run.dir={tmp_path}/preempted"],
        cwd=ROOT,
        env={**slurm, "PYTHON": sys.executable, "PROCESSES": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    job = submitted.stdout.split()[-1]
    step = 0
    for _ in range(2):
        wait_until(lambda: newest_step(tmp_path / "preempted") > step, log)  # noqa: B023
        subprocess.run(["scancel", "--batch", "--signal=USR1", job], env=slurm, check=True)
        wait_until(lambda: state_of(job, slurm) == "PENDING", log)
        step = newest_step(tmp_path / "preempted")
        assert step < 250
    wait_until(lambda: state_of(job, slurm) == "COMPLETED", log)
    assert field_of("Restarts", job, slurm) == "2"

    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", ROOT / "scripts/train.py", *arguments]
    subprocess.run(
        [*command, f"hydra.run.dir={tmp_path}/straight"],
        env=slurm,
        check=True,
        timeout=120,
    )
    preempted = load_latest_state(tmp_path / "preempted")
    straight = load_latest_state(tmp_path / "straight")
    assert preempted is not None
    assert straight is not None
    torch.testing.assert_close(preempted["task"], straight["task"], rtol=0, atol=0)
    assert (tmp_path / "preempted/export/toy.safetensors").exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def newest_step(run_dir: Path) -> int:
    states = list_states(run_dir)
    return int(states[-1].stem.removeprefix("state-")) if states else 0


def state_of(job: str, environment: dict[str, str]) -> str:
    return field_of("JobState", job, environment)


def field_of(name: str, job: str, environment: dict[str, str]) -> str:
    command = ["scontrol", "show", "job", job]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    match = re.search(rf"\b{name}=(\S+)", shown.stdout)
    assert match is not None
    return match[1]


def wait_until(condition, log: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
        time.sleep(0.2)
