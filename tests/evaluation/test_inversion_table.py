import json
from dataclasses import replace

import pytest
import torch

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.evaluation import inversion_table
from stylecinegan.evaluation.inversion_table import measure_inversion
from stylecinegan.evaluation.photos import Photos
from stylecinegan.metrics.frechet_protocols import NETWORKS, FrechetProtocol
from stylecinegan.metrics.gaussians import Gaussian
from tests.tiny_model import make_model

NAME = "frechet_squeezenet_fire9"


class Pixels(torch.nn.Module):
    """A network whose features are the pixels of its input."""

    def forward(self, image):
        return [image]


@pytest.fixture
def photos(tmp_path):
    for seed in range(4):
        io.write_image(tmp_path / f"photos/{seed}.png", draw_landscape(112, 112, seed).image)
    return Photos(tmp_path / "photos")


@pytest.fixture
def model():
    return make_model()


def measure(model, photos, output, monkeypatch, **settings):
    monkeypatch.setitem(NETWORKS, NAME, Pixels)
    protocols = [FrechetProtocol(NAME)]
    monkeypatch.setattr(inversion_table, "picture_protocols", lambda squeezenet: protocols)
    settings = {"num_samples": 5, "num_runs": 3, "lpips": None, **settings}
    return measure_inversion(model, output, photos=photos, **settings)


def test_deviations_are_over_photos_for_inversions_and_over_runs_for_samples(
    model, photos, tmp_path, monkeypatch
):
    table = measure(model, photos, tmp_path / "out", monkeypatch)
    code_only, both, samples = table.rows
    of_row = [e["RMSE"] for e in table.details if e["row"] == "w+ and D10"]
    assert both["RMSE"] == pytest.approx(sum(of_row) / 4)
    assert table.deviations["w+ and D10"]["RMSE"] > 0
    assert set(code_only) == {"row", "RMSE", "MS-SSIM (window 7)", f"{NAME}_4"}
    runs = [
        json.loads((tmp_path / f"out/samples/run_{run}.json").read_text())["entries"][0][NAME]
        for run in range(3)
    ]
    assert len(set(runs)) == 3  # other seeds
    assert samples == {"row": "samples", f"{NAME}_5": pytest.approx(sum(runs) / 3)}
    spread = torch.tensor(runs, dtype=torch.float64).std()
    assert table.deviations["samples"][f"{NAME}_5"] == pytest.approx(float(spread))


def test_a_second_run_resumes_and_gives_the_same_numbers(model, photos, tmp_path, monkeypatch):
    first = measure(model, photos, tmp_path / "out", monkeypatch)
    (tmp_path / "out/photos/2.png.json").unlink()
    (tmp_path / "out/samples/run_1.json").unlink()
    before = (tmp_path / "out/photos/1.png.json").stat().st_mtime_ns
    second = measure(model, photos, tmp_path / "out", monkeypatch)
    assert (tmp_path / "out/photos/1.png.json").stat().st_mtime_ns == before
    assert second == replace(first, seconds=second.seconds)


def test_samples_can_be_compared_with_statistics_from_a_file(model, photos, tmp_path, monkeypatch):
    own = measure(model, photos, tmp_path / "own", monkeypatch)
    written = tmp_path / "own/reference" / f"{NAME}.npz"
    assert Gaussian.read(written, NAME)[1] == photos.digest()
    fewer = Photos(tmp_path / "photos", number=2)
    other = measure(model, fewer, tmp_path / "other", monkeypatch, reference=written.parent)
    column = f"{NAME}_5"
    assert other.rows[2][column] == pytest.approx(own.rows[2][column], rel=1e-4)
    plain = measure(model, fewer, tmp_path / "plain", monkeypatch)
    assert plain.rows[2][column] != pytest.approx(own.rows[2][column], rel=1e-4)
