import json
import os

import numpy as np
import pytest
import torch

from stylecinegan import checkpoints, io
from stylecinegan.baselines import Ours, RecurrentWarping
from stylecinegan.errors import InputError
from stylecinegan.evaluation.animation_table import measure_animations
from stylecinegan.evaluation.clips import RealClips
from stylecinegan.evaluation.comparison import compare_frames
from stylecinegan.evaluation.measurement_cache import MeasurementCache, measure_all
from stylecinegan.evaluation.scenes import SceneSettings, estimate_clip_motion, make_scene
from stylecinegan.metrics.pictures import RMSE
from tests.processes import run_script
from tests.tiny_model import drifting_clip, make_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two clips of six frames at 64x64, and masks of their upper halves."""
    folder = tmp_path_factory.mktemp("clips")
    np.savez(folder / "sky.npz", clips=np.stack([drifting_clip(seed=seed) for seed in (0, 1)]))
    mask = torch.zeros(1, 1, 64, 64)
    mask[:, :, :32] = 1.0
    for number in range(2):
        io.write_mask(folder / f"masks/sky_{number:05d}.png", mask)
    return folder


def measure(folder, output, methods=None, **settings):
    scenes = {"speed": "own", "masks_dir": str(folder / "masks")}
    return measure_animations(
        make_model(),
        output,
        table="1",
        clips=RealClips(folder / "sky.npz", num_frames=6),
        methods=methods or {"AL": RecurrentWarping()},
        scenes=SceneSettings(**{**scenes, **settings.pop("scenes", {})}),
        lpips=None,
        **settings,
    )


def test_static_regions_are_compared_with_frame_0_and_moving_ones_with_the_real_frame():
    real = torch.zeros(3, 3, 16, 16)
    real[1:, :, :8] = 0.2  # the upper half changes
    frames = torch.zeros(3, 3, 16, 16)
    frames[0] = 1.0  # frame 0 does not count
    frames[2, :, 8:] = 0.4  # the lower half of one of two frames is wrong
    mask = torch.zeros(1, 1, 16, 16)
    mask[:, :, :8] = 1.0
    figures = compare_frames(frames, real, mask, [RMSE()], ["frame", "static", "motion"])
    # 0.0 is the grey 128, 0.2 is 153 and 0.4 is 178.
    assert figures["motion RMSE (mask area)"] == pytest.approx(25.0)
    assert figures["static RMSE (mask area)"] == pytest.approx((0.0 + 50.0) / 2)
    assert figures["static RMSE (masked equal)"] == pytest.approx(25.0 / 2**0.5)
    first = (25.0**2 / 2) ** 0.5
    second = ((25.0**2 + 50.0**2) / 2) ** 0.5
    assert figures["frame RMSE"] == pytest.approx((first + second) / 2)


def test_an_empty_region_is_left_out():
    frames = torch.zeros(2, 3, 16, 16)
    figures = compare_frames(frames, frames, torch.ones(1, 1, 16, 16), [RMSE()], ["static"])
    assert figures == {}


def test_the_speed_of_a_clip_is_measured_and_scenes_are_scaled_to_a_given_one(folder):
    frames = RealClips(folder / "sky.npz", num_frames=6).read("sky_00000")
    speed = estimate_clip_motion(frames)[1]
    assert speed == pytest.approx(1 / 64, rel=0.15)
    settings = SceneSettings(motion="right", speed="mean", masks_dir=str(folder / "masks"))
    slow, fast = (
        make_scene(make_model(), "sky_00000", frames, settings, wanted) for wanted in (0.01, 0.02)
    )
    torch.testing.assert_close(slow.motion * 2, fast.motion)
    assert slow.period == 12
    assert float(slow.motion[:, 0].mean()) > 0.3


def test_a_static_clip_is_left_out_with_the_reason(folder, tmp_path):
    clips = np.stack([drifting_clip(), np.repeat(drifting_clip()[:1], 6, axis=0)])
    np.savez(tmp_path / "sky.npz", clips=clips)
    os.symlink(folder / "masks", tmp_path / "masks")
    table = measure(tmp_path, tmp_path / "out", scenes={"speed": "mean"})
    assert table.title.startswith("1 of 2 clips of sky.npz, frames 1 to 5")
    assert "different frames" in str(table.details[1]["left out"])


def test_rows_are_means_over_the_clips_and_frames_are_written(folder, tmp_path):
    table = measure(folder, tmp_path / "out", {"ours": Ours(), "AL": RecurrentWarping()})
    assert [row["row"] for row in table.rows] == ["ours", "AL"]
    assert table.title.endswith("static regions in 2 clips")
    numbers = [entry["static RMSE (mask area)"] for entry in table.details if entry["row"] == "AL"]
    assert table.rows[1]["static RMSE (mask area)"] == pytest.approx(sum(numbers) / 2)
    assert table.rows[0]["static RMSE (mask area)"] == pytest.approx(0.0)  # Eq. 4
    # The real clip and two methods, three frames each.
    sheet = io.read_image(tmp_path / "out/sheets/sky_00000.png")
    assert sheet.shape == (1, 3, 3 * 64 + 8, 3 * 64 + 8)


def test_methods_are_compared_with_their_references_by_the_names_of_their_rows(folder, tmp_path):
    table = measure(
        folder,
        tmp_path,
        {"ours": Ours(), "recurrent": RecurrentWarping(), "again": RecurrentWarping()},
        row_names={"recurrent": "AL", "again": "AL, again"},
        references={"again": "recurrent"},
    )
    first, second = table.differences
    assert first["row"] == "AL minus ours"
    assert second["row"] == "AL, again minus AL"
    assert second["static RMSE (mask area)"] == "+0 ± 0 (0 of 2)"
    assert str(first["static RMSE (mask area)"]).endswith("(2 of 2)")


def test_a_second_run_measures_only_missing_clips_and_those_with_other_settings(folder, tmp_path):
    first = measure(folder, tmp_path)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "clips").iterdir()}
    gone = sorted(files)[0]
    gone.unlink()
    again = measure(folder, tmp_path)
    assert again.rows[0]["frame RMSE"] == first.rows[0]["frame RMSE"]
    changed = [f for f, time in files.items() if f.stat().st_mtime_ns != time]
    assert changed == [gone]
    measure(folder, tmp_path, {"AL": RecurrentWarping(use_mask=True)})
    assert all(file.stat().st_mtime_ns != time for file, time in files.items())


def test_a_damaged_cache_entry_is_measured_again(tmp_path):
    cache = MeasurementCache(tmp_path, {"a": "1"})
    cache.put("x/y", [{"value": 1.0}])
    assert cache.get("x/y") == [{"value": 1.0}]
    assert MeasurementCache(tmp_path, {"a": "2"}).get("x/y") is None
    (tmp_path / "x_y.json").write_text('{"settings": {"a"')
    assert list(measure_all(["x/y"], lambda name: [{"name": name}], cache)) == [[{"name": "x/y"}]]


def test_a_list_selects_held_out_clips(folder, tmp_path):
    (tmp_path / "held_out.txt").write_text("sky_00001\nelsewhere_mp4\n")
    clips = RealClips(folder / "sky.npz", num_frames=6, listed=tmp_path / "held_out.txt")
    assert clips.names == ["sky_00001"]
    (tmp_path / "held_out.txt").write_text("elsewhere_mp4\n")
    with pytest.raises(InputError, match=r"wanted clips of .*held_out.txt in .*, found none"):
        RealClips(folder / "sky.npz", num_frames=6, listed=tmp_path / "held_out.txt")


def test_clips_are_read_from_videos_and_unfitting_settings_are_refused(folder, tmp_path):
    frames = [torch.full((1, 3, 64, 96), number / 4) for number in range(4)]
    io.write_video(tmp_path / "sea/wave.mp4", iter(frames), fps=30)
    clips = RealClips(tmp_path, num_frames=3, size=192)
    assert clips.names == ["sea/wave"]
    assert clips.read("sea/wave").shape == (3, 3, 128, 192)
    with pytest.raises(InputError, match="wanted 9 frames of every clip, found 4"):
        RealClips(tmp_path, num_frames=9).read("sea/wave")
    with pytest.raises(InputError, match=r"wanted 3 clips in .*, found 2"):
        RealClips(folder / "sky.npz", number=3)
    for settings in ({"number": -1}, {"num_frames": 0}):
        with pytest.raises(InputError, match="must be a whole number of at least 1"):
            RealClips(folder / "sky.npz", **settings)
    with pytest.raises(InputError, match="wanted the clips other in"):
        RealClips(folder / "sky.npz", names=["other"])
    with pytest.raises(InputError, match="motion must be one of clip, predicted, right"):
        SceneSettings(motion="sideways")


def test_two_worker_processes_give_the_same_numbers_as_none(folder, tmp_path):
    # Not write_model, which rounds weights to half precision: numbers are compared.
    model = make_model()
    (folder / "model").mkdir()
    checkpoints.save(folder / "model/generator.safetensors", model.generator, use_half=False)
    checkpoints.save(folder / "model/encoder.safetensors", model.encoder, use_half=False)
    command = [
        "table=1", "model.directory=model", "output_dir=out", "table.clips.path=sky.npz",
        "table.clips.num_frames=6", "table.clips.size=64", "table.compared_size=64",
        "table.scenes.masks_dir=masks", "table.scenes.motion=clip", "table.scenes.speed=own",
        "table.num_processes=2", "table.lpips=null",
        # Methods with shipped networks, which are too large for such clips.
        "~table.methods.EMF", "~table.methods.T2C", "~table.methods.DL",
        "~table.methods.MoCoGAN-HD",
    ]  # fmt: skip
    done = run_script("evaluate.py", *command, cwd=folder, timeout=250)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "out/rows.jsonl").read_text().splitlines()]
    names = ["ours", "ours, with our additions", "Laplacian pyramid", "AL"]
    assert [row["row"] for row in rows] == names
    here = measure(folder, tmp_path, {"ours": Ours(), "AL": RecurrentWarping()})
    for row, expected in zip((rows[0], rows[3]), here.rows, strict=True):
        number = row["motion RMSE (mask area)"]
        assert number == pytest.approx(expected["motion RMSE (mask area)"], rel=1e-5)
