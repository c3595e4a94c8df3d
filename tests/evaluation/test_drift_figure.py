import csv

import numpy as np
import pytest
import torch

from stylecinegan import io
from stylecinegan.baselines import Ours, RecurrentWarping
from stylecinegan.errors import InputError
from stylecinegan.evaluation.clips import RealClips
from stylecinegan.evaluation.curves import PANEL, plot_curves
from stylecinegan.evaluation.drift_figure import measure_drift
from tests.tiny_model import drifting_clip, make_model


class Segmented:
    """A model whose mask is the upper half, or everything where the picture is black."""

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return getattr(self.model, name)

    def segment(self, photo):
        mask = torch.zeros_like(photo[:, :1])
        mask[:, :, : photo.shape[2] // (1 if photo.max() < 0 else 2)] = 1.0
        return type("Prediction", (), {"mask": mask})


def measure(folder, output, **settings):
    return measure_drift(
        Segmented(make_model()),
        output,
        methods={"ours": Ours(), "AL": RecurrentWarping()},
        clips=RealClips(folder / "sky.npz", num_frames=1, size=64),
        num_frames=5,
        period=10,
        motion="right",
        speed=8.0,  # a pixel a frame at 64
        compared_size=None,
        lpips=None,
        **settings,
    )


@pytest.fixture
def folder(tmp_path):
    clips = np.stack([drifting_clip(1), np.zeros((1, 64, 64, 3), np.uint8)])
    np.savez(tmp_path / "sky.npz", clips=clips)
    return tmp_path


def test_static_regions_do_not_drift_with_ours_and_do_without_a_mask(folder):
    table = measure(folder, folder / "out")
    assert "1 of 2 pictures" in table.title  # all of the other one moves
    rows = {row["row"]: row for row in table.rows}
    assert list(rows) == ["ours, frame 2", "ours, frame 4", "AL, frame 2", "AL, frame 4"]
    assert rows["ours, frame 4"]["static RMSE (mask area)"] == 0.0
    assert rows["ours, frame 4"]["frame RMSE"] > 0.5
    late, early = (rows[f"AL, frame {t}"]["static RMSE (mask area)"] for t in (4, 2))
    assert late > early > 1.0


def test_curves_are_written_frame_by_frame_and_plotted(folder):
    table = measure(folder, folder / "out")
    with (folder / "out/curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["frame"]) for row in rows[:5]] == [
        ("ours", "1"), ("ours", "2"), ("ours", "3"), ("ours", "4"), ("AL", "1"),
    ]  # fmt: skip
    assert float(rows[7]["frame RMSE"]) == pytest.approx(table.rows[3]["frame RMSE"], rel=1e-4)
    # Six metrics, in rows of three panels.
    assert io.read_image(folder / "out/curves.png").shape == (1, 3, 2 * PANEL[0], 3 * PANEL[1])


def test_scenes_of_samples_have_latent_codes_and_those_of_photos_do_not(folder):
    segmented, scenes = Segmented(make_model()), []

    def record(model, scene):
        scenes.append(scene)
        return iter([scene.photo] * 3)

    settings = {"methods": {"spy": record}, "num_frames": 3, "period": 3, "motion": "right"}
    settings |= {"lpips": None, "compared_size": 64}
    measure_drift(segmented, folder / "samples", num_samples=1, **settings)
    clips = RealClips(folder / "sky.npz", num_frames=1, size=64)
    measure_drift(segmented, folder / "photos", clips=clips, **settings)
    with torch.no_grad():
        expected = segmented.generator(scenes[0].w_plus).clamp(-1, 1)
    torch.testing.assert_close(scenes[0].photo, expected)
    assert scenes[1].w_plus is None


def test_a_horizon_replaces_predicted_masks(folder):
    scenes = []

    def record(model, scene):
        scenes.append(scene.mask)
        return iter([scene.photo] * 3)

    clips = RealClips(folder / "sky.npz", num_frames=1, size=64)
    table = measure_drift(
        make_model(),  # predicts no masks
        folder / "out",
        methods={"spy": record},
        clips=clips,
        num_frames=3,
        period=3,
        motion="right",
        horizon=0.25,
        lpips=None,
    )
    assert "2 of 2 pictures" in table.title
    assert "the upper 25% moves" in table.title
    assert scenes[0][:, :, :16].all()
    assert not scenes[0][:, :, 16:].any()
    with pytest.raises(InputError, match=r"horizon must be in \[0.1, 0.9\] or null, got 1"):
        measure_drift(make_model(), folder, methods={}, clips=clips, horizon=1)


def test_a_loop_shorter_than_the_compared_frames_is_refused(folder):
    with pytest.raises(InputError, match=r"num_frames must be in \[3, period=4\], got 5"):
        measure_drift(Segmented(make_model()), folder, methods={}, num_frames=5, period=4)


def test_pictures_without_a_static_region_are_refused(folder):
    np.savez(folder / "sky.npz", clips=np.zeros((1, 1, 64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="no picture has both"):
        measure(folder, folder / "out")


def test_a_higher_curve_is_drawn_higher():
    picture = plot_curves({"a": {"low": [0.0, 0.0], "high": [1.0, 1.0]}}, "frame")[0]
    blue = (picture[2] - picture[0] > 0.3).nonzero()  # the first curve
    red = (picture[0] - picture[2] > 0.3).nonzero()
    lines = [places[places[:, 1] > 250][:, 0].float().mean() for places in (blue, red)]
    assert lines[1] < lines[0] - 100
