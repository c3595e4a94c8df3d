import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from stylecinegan.app.worker import Cancelled, Job, Worker
from stylecinegan.errors import InputError
from tests.app.serving import wait_until


@pytest.fixture
def worker():
    worker = Worker()
    worker.start()
    yield worker
    worker.stop()


class Heard(list):
    """The messages of a job."""

    def outcomes(self):
        """Types of the messages about its end, which come just after it is over."""
        wait_until(self._ends)
        return self._ends()

    def _ends(self):
        return [message["type"] for message in self if message["type"] != "waiting"]


def submit(worker, run, session="anna", **settings):
    heard = Heard()
    job = Job(session, run, heard.append, **settings)
    worker.submit(job)
    return job, heard


def gate(worker):
    """Keeps the worker busy until it is opened."""
    is_open, is_running = threading.Event(), threading.Event()

    def run(job):
        is_running.set()
        is_open.wait(20)

    job, _ = submit(worker, run, "gate")
    assert is_running.wait(20)
    return is_open, job


def test_jobs_run_one_after_the_other_and_say_that_they_are_done(worker):
    order = []
    jobs = [submit(worker, lambda job, n=n: order.append(n), str(n)) for n in range(5)]
    for job, heard in jobs:
        assert job.is_over.wait(20)
        assert heard.outcomes() == ["done"]
    assert order == [0, 1, 2, 3, 4]


def test_the_newest_edit_takes_the_place_of_the_older_one_in_the_line(worker):
    is_open, _ = gate(worker)
    order = []
    first, first_heard = submit(worker, lambda job: order.append("old"), replaces="preview")
    submit(worker, lambda job: order.append("other"), "bob", replaces="preview")
    newest, heard = submit(worker, lambda job: order.append("new"), replaces="preview")
    assert first_heard.outcomes() == ["cancelled"]
    assert first.is_over.is_set()
    is_open.set()
    assert newest.is_over.wait(20)
    last, _ = submit(worker, lambda job: None)
    assert last.is_over.wait(20)
    assert order == ["new", "other"]
    assert heard.outcomes() == ["done"]


def test_a_newer_edit_stops_the_older_one_at_its_next_step(worker):
    steps, is_running, go_on = [], threading.Event(), threading.Event()

    def slow(job):
        for step in range(1000):
            job.check()
            steps.append(step)
            is_running.set()
            go_on.wait(20)

    _, heard = submit(worker, slow, replaces="preview")
    assert is_running.wait(20)
    newer, _ = submit(worker, lambda job: None, replaces="preview")
    go_on.set()
    assert newer.is_over.wait(20)
    assert heard.outcomes() == ["cancelled"]
    assert len(steps) == 1


def test_an_edit_that_interrupts_an_older_one_runs_next_but_not_time_and_again(worker):
    order, running, go_on = [], threading.Semaphore(0), threading.Semaphore(0)

    def edit(name):
        def run(job):
            running.release()
            assert go_on.acquire(timeout=20)
            job.check()
            order.append(name)

        return submit(worker, run, "anna", replaces="preview")[0]

    def next_one():
        go_on.release()
        assert running.acquire(timeout=20)

    edit("first")
    assert running.acquire(timeout=20)
    submit(worker, lambda job: order.append("bob"), "bob", replaces="preview")
    edit("second")  # goes before Bob
    next_one()
    last = edit("third")  # goes after him
    next_one()
    assert order == ["bob"]
    go_on.release()
    assert last.is_over.wait(20)
    assert order == ["bob", "third"]


def test_a_cancelled_job_stops_before_its_next_function_of_pytorch(worker):
    steps, is_running, go_on = [], threading.Event(), threading.Event()

    def slow(job):  # calls no check of its own
        for step in range(1000):
            torch.zeros(2).add(1)
            steps.append(step)
            is_running.set()
            go_on.wait(20)

    job, heard = submit(worker, slow)
    assert is_running.wait(20)
    job.cancel()
    go_on.set()
    assert job.is_over.wait(20)
    assert heard.outcomes() == ["cancelled"]
    assert len(steps) == 1


def test_urgent_jobs_run_before_others_and_between_their_frames(worker):
    order, is_running, go_on = [], threading.Event(), threading.Event()

    def render(job):
        is_running.set()
        go_on.wait(20)
        for step in range(2):
            order.append(f"frame {step}")
            worker.run_urgent_jobs()

    submit(worker, render, is_urgent=False, replaces="render")
    assert is_running.wait(20)
    other, _ = submit(worker, lambda job: order.append("other video"), "bob", is_urgent=False)
    submit(worker, lambda job: order.append("preview"), "carl")
    go_on.set()
    assert other.is_over.wait(20)
    assert order == ["frame 0", "preview", "frame 1", "other video"]


def test_every_waiting_client_is_told_its_position_in_the_queue(worker):
    is_open, _ = gate(worker)
    heard = [submit(worker, lambda job: None, name)[1] for name in ("anna", "bob", "carl")]
    assert [message[-1]["position"] for message in heard] == [1, 2, 3]
    is_open.set()


def test_a_mistake_of_the_user_is_reported_and_a_bug_is_not_shown(worker, caplog):
    def wrong(job):
        raise InputError("nothing moves")

    def broken(job):
        raise KeyError("/secret/path")

    for run, message in ((wrong, "nothing moves"), (broken, "something went wrong here")):
        job, heard = submit(worker, run)
        assert job.is_over.wait(20)
        assert heard.outcomes() == ["error"]
        assert message in heard[-1]["message"]
        assert "secret" not in heard[-1]["message"]
    assert "secret" in caplog.text
    job, heard = submit(worker, lambda job: None)
    assert job.is_over.wait(20)
    assert heard.outcomes() == ["done"]


@pytest.mark.parametrize("error", [Cancelled, InputError, KeyError])
def test_what_a_failed_job_computed_is_freed_without_the_garbage_collector(worker, error):
    features = []

    def network():
        computed = torch.zeros(1000)
        features.append(weakref.ref(computed))
        raise error

    def run(job):
        # The future holds the exception, whose frames hold the future.
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(network)
            future.result()

    gc.disable()
    try:
        job, heard = submit(worker, run)
        assert job.is_over.wait(20)
        assert heard.outcomes() in (["cancelled"], ["error"])
        assert [feature() for feature in features] == [None]
    finally:
        gc.enable()


def test_the_worker_tidies_up_after_each_job_and_only_then():
    tidied = threading.Semaphore(0)
    worker = Worker(tidied.release, tidy_every_s=0.01)
    worker.start()
    for _ in range(2):
        submit(worker, lambda job: None)
        assert tidied.acquire(timeout=20)
        assert not tidied.acquire(timeout=0.3)
    worker.stop()


def test_ending_a_session_cancels_its_jobs_and_no_others(worker):
    is_open, _ = gate(worker)
    _, heard = submit(worker, lambda job: None, "anna")
    other, others = submit(worker, lambda job: None, "bob")
    assert worker.cancel_session("anna") == []
    assert heard.outcomes() == ["cancelled"]
    is_open.set()
    assert other.is_over.wait(20)
    assert others.outcomes() == ["done"]


def test_stopping_cancels_running_and_waiting_jobs():
    worker = Worker()
    worker.start()
    is_running = threading.Event()

    def endless(job):
        while True:
            is_running.set()
            job.check()

    _, heard = submit(worker, endless)
    _, waiting = submit(worker, endless, "bob")
    assert is_running.wait(20)
    worker.stop()
    assert heard.outcomes() == ["cancelled"]
    assert waiting.outcomes() == ["cancelled"]
