import json
import math

import pytest

from stylecinegan.benchmarks.chromium import find_chromium
from tests.processes import run_script

pytestmark = [
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
    pytest.mark.xdist_group("browser"),
]


def test_the_suite_measures_latencies_on_the_page_and_a_load_without_errors(tmp_path):
    done = run_script(
        "benchmark.py",
        "suite=app",
        "output_dir=out",
        "repeats=1",
        "device=cpu",
        "app.photo=[96,128]",
        "app.idle_s=1",
        "app.sessions=2",
        "app.every_s=0.5",
        "app.load_s=6",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out/rows.jsonl").read_text().splitlines()
    measured = {row["row"]: row["measured"] for row in map(json.loads, lines)}
    latencies = [name for name in measured if name.endswith(", s")]
    assert len(latencies) >= 4
    assert all(0.0 < measured[name] < 100.0 for name in latencies)
    assert measured["2 sessions: errors"] == 0.0
    assert measured["2 sessions: lost edits"] == 0.0
    assert not math.isnan(measured["processor while pages play, % of a core"])
