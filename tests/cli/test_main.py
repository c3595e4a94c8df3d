import sys

from tests.processes import run

PROGRAM = """
import gc, os
from stylecinegan.cli.main import run
try:
    run("generate")
except SystemExit as error:
    assert "nowhere.jpg" in str(error), error
print(gc.isenabled(), gc.get_freeze_count() > 100_000, os.environ["OMP_WAIT_POLICY"])
"""


def test_a_command_collects_garbage_but_not_among_modules_and_lets_waiting_threads_sleep(
    monkeypatch,
):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    done = run(sys.executable, "-c", PROGRAM, "photo=nowhere.jpg")
    assert done.stdout.split() == ["True", "True", "PASSIVE"], done.stderr


def test_a_users_wait_policy_of_openmp_stays():
    done = run(sys.executable, "-c", PROGRAM, "photo=nowhere.jpg", OMP_WAIT_POLICY="ACTIVE")
    assert done.stdout.split()[-1] == "ACTIVE", done.stderr
