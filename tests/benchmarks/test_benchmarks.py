import sys
import time

import pytest
import torch

from stylecinegan.benchmarks import operators
from stylecinegan.benchmarks.growth import Growth, plot_growth
from stylecinegan.benchmarks.measurement import (
    Candidate,
    Measurement,
    measure,
    to_rows,
)
from stylecinegan.benchmarks.memory import Command
from stylecinegan.benchmarks.operators import euler_candidates, splat_candidates
from stylecinegan.benchmarks.plain_splatting import plain_joint_splat
from stylecinegan.errors import InputError
from stylecinegan.warping.displacement import integrate_motion
from stylecinegan.warping.joint_splatting import joint_splat
from tests.processes import run_code

CPU = torch.device("cpu")


def test_the_plain_splat_equals_the_reference():
    torch.manual_seed(0)
    feature = torch.randn(1, 4, 13, 17)
    # Displacements cross every border. Where weights are tiny, rounding errors dominate.
    start, end = torch.randn(2, 1, 2, 13, 17) * 4.0
    expected, shares = joint_splat(feature, None, start, end, 0.3, backend="reference")
    actual = plain_joint_splat(feature, start, end, 0.3)
    solid = (shares.sum(dim=1, keepdim=True) > 1e-3).expand_as(expected)
    assert solid.float().mean() > 0.5
    torch.testing.assert_close(actual[solid], expected[solid], rtol=1e-4, atol=1e-4)


def test_all_splatting_candidates_give_the_same_map():
    torch.manual_seed(0)
    displacement = torch.rand(1, 2, 12, 12) * 0.4
    image = torch.randn(1, 3, 12, 12)
    candidates = splat_candidates(image, displacement, -displacement, copy_bytes=64)
    results = {c.name: c.run() for c in candidates}
    blended = results["reference"][0]
    torch.testing.assert_close(results["native"][0], blended)
    torch.testing.assert_close(results["index_add_"], blended, rtol=1e-4, atol=1e-5)
    # Three channels and four of displacements in, three channels and two shares out.
    assert candidates[0].bytes_moved == 4 * 144 * 12


def test_a_run_of_incremental_integration_is_a_whole_loop(monkeypatch):
    integrated = []

    def count(*arguments, **settings):
        for displacements in integrate_motion(*arguments, **settings):
            integrated.append(displacements)
            yield displacements

    monkeypatch.setattr(operators, "integrate_motion", count)
    candidates = euler_candidates(torch.rand(1, 2, 8, 8), 6)
    assert [c.units for c in candidates] == [1, 1, 6, 6]
    nums_integrated = []
    for candidate in candidates:
        integrated.clear()
        candidate.run()
        nums_integrated.append(len(integrated))
    assert nums_integrated == [0, 0, 6, 6]


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances only by calls of ``clock(seconds)``."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def advance(seconds):
        now[0] += seconds

    return advance


def test_candidates_alternate_and_timings_of_slow_ones_are_spread_over_the_rounds(clock):
    calls = []

    def job(name, seconds):
        def run():
            calls.append(name)
            clock(seconds)

        return run

    candidates = [
        Candidate("quick", job("quick", 3.0), units=3),
        Candidate("slow", job("slow", 20.0)),
        Candidate("endless", job("endless", 90.0)),
    ]
    measured = measure(candidates, CPU, repeats=4, budget_s=40.0)
    turns = " ".join(calls[3:])  # after one run each to warm up
    assert turns == "quick slow endless quick quick slow quick"
    assert [m.seconds for m in measured] == [[1.0] * 4, [20.0] * 2, [90.0]]


def test_a_short_run_is_repeated_within_a_timing(clock):
    calls = []

    def run():
        calls.append(1)
        clock(0.0078125)  # exact in binary; six and a bit make the shortest timing

    measured = measure([Candidate("a", run), Candidate("b", run)], CPU, repeats=1, budget_s=1.0)
    assert len(calls) == 2 * (2 + 7)
    assert measured[0].seconds == [0.0078125]


def test_a_single_candidate_is_refused():
    with pytest.raises(InputError, match="at least two candidates, got 1"):
        measure([Candidate("alone", lambda: None)], CPU, repeats=1, budget_s=1.0)


def test_rows_have_medians_quartiles_ratios_and_the_share_of_a_copy_s_bandwidth():
    def measurement(name, seconds, **settings):
        return Measurement(Candidate(name, lambda: None, **settings), seconds, 2_000_000)

    rows = to_rows(
        [
            measurement("old", [4.0, 1.0, 3.0, 2.0, 5.0], is_baseline=True, bytes_moved=3000),
            measurement("new", [0.5], bytes_moved=3000),
            measurement("copy", [0.25], bytes_moved=6000),
        ],
        "map",
    )
    old, new, copy = rows
    assert (old["ms / map"], old["lower quartile"], old["upper quartile"]) == (3000, 2000, 4000)
    assert (old["timings"], old["peak MB"]) == (5, 2.0)
    assert new["times as fast as old"] == 6.0
    assert "times as fast as old" not in copy
    # 6,000 bytes a second of 24,000.
    assert new["share of copy"] == 0.25


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_the_peak_of_a_run_counts_memory_held_at_the_same_time():
    # In a separate process: memory that other tests freed in this one would be reused.
    code = """
import torch
from stylecinegan.benchmarks.memory import peak_of

def run():
    first = torch.ones(num_values)
    second = first + 1.0
    del first
    return second + 1.0  # two tensors at once, never three

num_values = 1_000_000
run()  # starts the threads, which have memory of their own
num_values = 40_000_000  # 160 MB
print(peak_of(run, torch.device("cpu")))
"""
    peak = int(run_code(code).stdout)
    assert 310e6 < peak < 400e6  # a third tensor would make it 480


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_the_peak_of_a_command_excludes_this_process(tmp_path):
    small = Command([sys.executable, "-c", "pass"], tmp_path)
    code = "import time; a = bytearray(10**8); del a; time.sleep(0.5)"
    large = Command([sys.executable, "-c", code], tmp_path)
    for command in (large, small):
        command()
    assert large.peak_bytes is not None
    assert small.peak_bytes is not None
    assert 1e8 < large.peak_bytes < 1.5e8
    assert small.peak_bytes < 0.5e8


def test_the_error_of_a_failed_command_has_its_last_line(tmp_path):
    command = Command([sys.executable, "-c", "print('a'); raise SystemExit('no photo')"], tmp_path)
    with pytest.raises(InputError, match=r"failed: no photo$"):
        command()


def test_growth_is_a_least_squares_line_with_the_ratio_of_the_end_slopes():
    line = Growth.fit([4.0, 1.0, 16.0], [5.0, 3.5, 11.0])
    assert line.fixed == pytest.approx(3.0)
    assert line.per_unit == pytest.approx(0.5)
    assert line.r_squared == pytest.approx(1.0)
    assert line.steepening == pytest.approx(1.0)
    # 1, 4, 16 squared: 5 a unit between the first two points, 20 between the last two.
    assert Growth.fit([1.0, 4.0, 16.0], [1.0, 16.0, 256.0]).steepening == pytest.approx(4.0)


def test_the_plot_has_a_panel_for_each_curve():
    curves = {"frames": ([30, 120], [1.0, 3.0]), "megapixels": ([1, 4], [2.0, 9.0])}
    image = plot_growth(curves)
    assert image.shape == (1, 3, 360, 960)
    assert image.min() < -0.5  # something is drawn on white
    assert image.max() == 1.0
