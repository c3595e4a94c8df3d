import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.motion_pairs import MotionPairs
from stylecinegan.data.motion_sources import find_sources, prepare
from stylecinegan.errors import InputError
from tests.motion.moving_scene import SIZE, scene
from tests.processes import run_script

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return run_script("prepare_data.py", "task=motion", *arguments)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real videos")
    io.write_video(folder / "sky.mp4", scene(20, drift=(1.5, 0.0)), fps=25)
    pan = [(2.0 * frame, 0.0) for frame in range(8)]
    io.write_video(folder / "more" / "pan.mp4", scene(8, camera=pan), fps=25)
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


def test_pairs_are_written_from_videos_and_kept_by_a_second_run(videos, tmp_path):
    output = tmp_path / "motion pairs"
    arguments = (f"source={videos}", f"output={output}", "num_frames=10", "side=64")
    first = run(*arguments)
    assert first.returncode == 0, first.stderr
    assert "4 clips: 2 written to" in first.stdout
    assert "2 left out, 0 finished before" in first.stdout
    assert "left out more_pan_mp4_00000: wanted a static camera" in first.stdout
    assert "left out broken_mp4_00000: cannot read" in first.stdout

    pairs = MotionPairs(output)
    assert pairs.names == ["sky_mp4_00000", "sky_mp4_00010"]
    assert pairs[0]["image"].shape == (3, 48, 64)
    # 1.5 pixels a frame on a picture twice as wide; at this size the ground slows the sky a bit.
    sky = pairs[1]["motion"][:, 6:22, 8:-8].mean(dim=(1, 2))
    assert sky.tolist() == pytest.approx([0.75, 0.0], abs=0.1)
    with np.load(output / "sky_mp4_00000_motion.npz") as arrays:
        assert str(arrays["source"]) == str(videos / "sky.mp4")

    times = {file: file.stat().st_mtime_ns for file in output.iterdir()}
    for source in find_sources(videos, num_frames=10, side=64):
        assert list(prepare(source, output)) == []
    assert times == {file: file.stat().st_mtime_ns for file in output.iterdir()}
    settings = json.loads((output / "settings.json").read_text())
    assert settings == {"camera": "auto", "num_frames": 10, "side": 64}


def test_sources_without_videos_are_refused(tmp_path):
    with pytest.raises(InputError, match="wanted a folder of videos or of one of the data sets"):
        find_sources(tmp_path / "none")
    with pytest.raises(InputError, match="wanted folders of frames"):
        find_sources(tmp_path)


def test_an_unknown_camera_is_refused(videos, tmp_path):
    with pytest.raises(InputError, match="camera must be auto, checked or static, got moving"):
        find_sources(videos, camera="moving")


def test_an_interrupted_video_is_resumed(videos, tmp_path):
    (source,) = [source for source in find_sources(videos, num_frames=10) if "sky" in source.path]
    first = prepare(source, tmp_path)
    assert next(first) == ("sky_mp4_00000", None)
    first.close()
    assert list(prepare(source, tmp_path)) == [("sky_mp4_00010", None)]
    assert not list(tmp_path.glob(".partial*"))


def test_pairs_are_written_from_sky_timelapse(tmp_path):
    for number, frame in enumerate(scene(5, drift=(1.0, 0.0))):
        io.write_image(tmp_path / "sky" / "v" / "v_1" / f"v_frames_{number:08d}.jpg", frame)
    (source,) = find_sources(tmp_path / "sky")
    assert list(prepare(source, tmp_path / "pairs")) == [("v_v_1", None)]
    pairs = MotionPairs(tmp_path / "pairs")
    assert pairs.names == ["v_v_1"]
    assert pairs[0]["motion"][0, :16].mean() > 0.1  # the sky drifts to the right


def test_pairs_of_the_eulerian_data_have_their_own_motion(tmp_path):
    frame = pytest.importorskip("lz4.frame")
    folder = tmp_path / "eulerian_data" / "train"
    io.write_image(folder / "00001_00000_input.jpg", torch.zeros(1, 3, *SIZE))
    motion = np.ones((1, 2, *SIZE), np.float32)
    (folder / "00001_00000_motion.pth").write_bytes(frame.compress(pickle.dumps(motion)))
    (source,) = find_sources(folder.parent, side=64)
    assert list(prepare(source, tmp_path / "pairs")) == [("00001_00000", None)]
    pair = MotionPairs(tmp_path / "pairs")[0]
    assert pair["image"].shape == (3, 48, 64)
    assert pair["motion"].unique().tolist() == [0.5]  # half as wide, half as fast


def test_a_contact_sheet_shows_composites_beside_their_labels(tmp_path):
    for seed in range(2):
        drawn = draw_landscape(64, 96, seed)
        io.write_image(tmp_path / f"photos/{seed}.png", drawn.image)
        io.write_mask(tmp_path / f"skies/{seed}.png", (drawn.label == 1).float())
    done = run_script(
        "prepare_data.py",
        "task=composites",
        f"source={tmp_path}/photos",
        f"skies={tmp_path}/skies",
        f"output={tmp_path}/sheet.png",
        "number=3",
        "crop=64",
        "object_share=0",
    )
    assert done.returncode == 0, done.stderr
    sheet = io.read_image(tmp_path / "sheet.png")
    assert sheet.shape[1] == 3
    assert min(sheet.shape[2:]) >= 256  # a row of cells of 256 pixels
    assert sheet.std() > 0.1


def test_the_contact_sheet_needs_a_whole_number_of_samples(tmp_path):
    done = run_script(
        "prepare_data.py", "task=composites", "source=a", "skies=b", "output=c.png", "number=0"
    )
    assert done.returncode == 1
    assert "number must be a whole number of at least 1, got 0" in done.stderr
