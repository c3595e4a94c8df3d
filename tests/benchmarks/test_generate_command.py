import torch

from stylecinegan import io
from stylecinegan.benchmarks.generate_command import (
    Job,
    growth_curves,
    job_name,
    measure_commands,
    write_growth,
)
from stylecinegan.benchmarks.measurement import Candidate, Measurement
from tests.tiny_model import write_example

BASELINE = Job(1024, 120)


def measurement(job, seconds):
    return Measurement(Candidate(job_name(job), lambda: None), [seconds])


def test_curves_have_sorted_amounts_with_the_seconds_of_their_job():
    jobs = {BASELINE: 4.0, Job(512, 120): 1.0, Job(1024, 30): 2.0, Job(1024, 480): 9.0}
    measured = [measurement(job, seconds) for job, seconds in jobs.items()]
    curves = growth_curves(measured, BASELINE, [1024, 512], [480, 30, 120])
    assert curves == {
        "megapixels": ([0.262144, 1.048576], [1.0, 4.0]),
        "frames": ([30.0, 120.0, 480.0], [2.0, 4.0, 9.0]),
    }


def test_a_single_amount_has_no_curve_and_no_plot(tmp_path):
    measured = [measurement(BASELINE, 4.0), measurement(Job(512, 120), 1.0)]
    curves = growth_curves(measured, BASELINE, [512, 1024], [120, 120])
    assert list(curves) == ["megapixels"]
    write_growth({}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    write_growth(curves, tmp_path / "one.png")
    assert io.read_image(tmp_path / "one.png").shape == (1, 3, 360, 480)


def test_the_baseline_comes_first_and_other_loops_are_compared_with_it(tmp_path):
    write_example(tmp_path, 96, 96)
    baseline = Job(96, 2)
    measured = measure_commands(
        tmp_path / "photo.png",
        baseline,
        torch.device("cpu"),
        sides=[64, 96],
        lengths=[2],
        arguments=["device=cpu", f"model.directory={tmp_path}/model", f"mask={tmp_path}/mask.png"],
        repeats=1,
        budget_s=60,
    )
    assert [m.candidate.name for m in measured] == ["96x96, 2 frames", "64x64, 2 frames"]
    assert [m.candidate.is_baseline for m in measured] == [True, False]
