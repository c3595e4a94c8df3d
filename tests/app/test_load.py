"""The benchmark of many users, with the small model."""

import threading
import time

import pytest

from stylecinegan.benchmarks.app import put_under_load


@pytest.fixture
def measured(server):
    """The server with what a benchmark reads of its process."""

    def post(path, body):
        status, _, data = server.ask("POST", path, body)
        if status >= 300:
            raise RuntimeError(f"{path}: {status}")
        return data

    server.post, server.resident_bytes = post, 1
    return server


def test_of_many_edits_the_last_one_of_every_user_is_shown(measured, photo):
    measured.model.mask_layer.seconds = 0.002  # edits come faster than loops
    load = put_under_load(measured, photo, 3, 0.05, 0.5)
    assert load.num_edits == 30
    assert load.num_replaced > 0
    assert load.num_shown + load.num_replaced == 30
    assert (load.num_lost, load.errors) == (0, [])


def test_an_edit_that_is_not_shown_counts_as_lost(measured, photo):
    sessions = measured.app.sessions
    known = set(sessions._sessions)

    def forget_one():
        while len(new := set(sessions._sessions) - known) < 3:
            time.sleep(0.01)
        sessions.remove(sessions.find(new.pop()))

    thread = threading.Thread(target=forget_one)
    thread.start()
    load = put_under_load(measured, photo, 3, 0.2, 1.0)
    thread.join()
    assert load.num_lost == 1
    assert load.errors
