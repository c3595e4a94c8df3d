import math

from stylecinegan.benchmarks.app_load import LoadResult, LoadTest
from stylecinegan.benchmarks.app_table import latency_rows, load_rows

TEST = LoadTest(num_sessions=8, every_s=2.0, duration_s=100.0)


def test_latencies_are_medians_beside_the_wanted_ones():
    latencies = {name: [9.0, 1.0, number] for number, name in enumerate(("mask", "loop"), 2)}
    latencies |= {"stroke": [0.5], "arrow": [0.25, 0.75]}
    rows = latency_rows(latencies, 12_000_000)
    assert [row["measured"] for row in rows] == [2, 3, 0.5, 0.5]
    assert rows[0] == {
        "row": "upload of 12 megapixels to the mask, s",
        "measured": 2,
        "wanted": 2.5,
    }


def test_the_growth_of_memory_excludes_the_warm_up():
    # A fifth of the test is warm-up: 1 GB until 20 s, then from 2 GB to 3 GB.
    memory = [(0.0, 10**9), (10.0, 10**9), (21.0, 2 * 10**9), (100.0, 3 * 10**9)]
    load = LoadResult(num_edits=5, num_lost=1, errors=["a", "a"], memory=memory)
    rows = {row["row"]: row["measured"] for row in load_rows(load, 0.02, TEST)}
    assert rows["8 sessions: growth of memory, %"] == 50.0
    assert rows["8 sessions: memory, GB"] == 3.0
    assert rows["8 sessions: errors"] == 2.0
    assert rows["8 sessions: lost edits"] == 1.0
    assert rows["processor while pages play, % of a core"] == 2.0
    assert math.isnan(rows["8 sessions: edit to loop, s"])  # none was shown
