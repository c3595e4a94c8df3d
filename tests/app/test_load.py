"""The benchmark of many users, with the small model."""

import json
import threading
import time

import pytest

from stylecinegan.benchmarks.app_load import FIRST_EDITS, LoadTest, memory_growth, run_load_test


class Measured:
    """The server with what a benchmark reads of its process; keeps a record of both."""

    def __init__(self, server):
        self.server = server
        self.record = []
        self.created = []  # identifiers of sessions

    def post(self, path, body):
        status, _, data = self.server.ask("POST", path, body)
        if status >= 300:
            raise RuntimeError(f"{path}: {status}")
        self.record.append(path)
        if path == "/api/sessions":
            self.created.append(json.loads(data)["id"])
        return data

    @property
    def resident_bytes(self):
        self.record.append("memory")
        return 1


@pytest.fixture
def measured(server):
    return Measured(server)


def test_of_many_edits_the_last_one_of_every_user_is_shown(measured, photo):
    measured.server.model.mask_layer.seconds = 0.002  # edits come faster than loops
    load = run_load_test(measured, photo, LoadTest(3, 0.05, 0.5))
    assert load.num_edits == 30
    assert load.num_replaced > 0
    assert load.num_shown + load.num_replaced == 30
    assert (load.num_lost, load.errors) == (0, [])


def test_memory_is_read_once_every_user_has_seen_a_few_loops(measured, photo):
    load = run_load_test(measured, photo, LoadTest(3, 0.1, 0.2))
    before = measured.record[: measured.record.index("memory")]
    previews = [path for path in before if path.endswith("/preview")]
    first = previews[: 3 * FIRST_EDITS]
    assert [first.count(path) for path in set(first)] == [FIRST_EDITS] * 3
    assert load.num_edits == 6
    assert load.errors == []


def test_an_edit_that_is_not_shown_counts_as_lost(measured, photo):
    sessions = measured.server.app.sessions

    def forget_one():
        while len(measured.created) < 3:
            time.sleep(0.01)
        sessions.remove(sessions.find(measured.created[0]))

    thread = threading.Thread(target=forget_one)
    thread.start()
    load = run_load_test(measured, photo, LoadTest(3, 0.2, 1.0))
    thread.join()
    assert load.num_lost == 1
    assert load.errors


def test_growth_of_memory_compares_the_end_with_the_time_after_warm_up():
    flat = [(float(second), 1000) for second in range(100)]
    assert memory_growth(flat, 20.0) == 1.0
    rising = [(float(second), 1000 + 10 * second) for second in range(101)]
    # Medians of the seconds 20 to 28 and 92 to 100.
    assert memory_growth(rising, 20.0) == pytest.approx(1960 / 1240)
