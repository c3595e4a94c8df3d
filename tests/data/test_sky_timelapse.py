import numpy as np
import pytest

from stylecinegan import io
from stylecinegan.data.sky_timelapse import SkyTimelapse
from stylecinegan.errors import InputError
from tests.motion.moving_scene import scene


def write_clip(folder, numbers, **drift):
    for number, frame in zip(numbers, scene(len(numbers), **drift), strict=True):
        io.write_image(folder / f"{folder.name}_frames_{number}.jpg", frame)


def test_clips_one_and_two_levels_down_are_found_and_empty_folders_left_out(tmp_path):
    write_clip(tmp_path / "aB-1" / "aB-1_2", range(4))
    write_clip(tmp_path / "single", range(4))
    (tmp_path / "empty" / "empty_1").mkdir(parents=True)
    assert SkyTimelapse(tmp_path).names == ["aB-1/aB-1_2", "single"]


def test_frames_are_in_the_order_of_their_last_number(tmp_path):
    # By name, 10 comes before 8.
    write_clip(tmp_path / "v1" / "v1_7", (8, 9, 10, 11), drift=(2.0, 0.0))
    pair = SkyTimelapse(tmp_path)[0]
    assert pair["motion"][:, 10:40, 20:100].mean(dim=(1, 2)).tolist() == pytest.approx(
        [2.0, 0.0], abs=0.1
    )
    assert pair["image"].shape == (3, 96, 128)
    assert pair["confidence"].shape == (1, 96, 128)


def test_a_cut_frame_is_left_out(tmp_path, caplog):
    folder = tmp_path / "v1" / "v1_0"
    write_clip(folder, range(5))
    cut = folder / "v1_0_frames_2.jpg"
    cut.write_bytes(cut.read_bytes()[:500])
    assert len(list(SkyTimelapse(tmp_path).frames(0))) == 4
    assert "left out a frame" in caplog.text


def test_an_array_of_clips_is_read(tmp_path):
    frames = [io.to_uint8(frame).numpy() for frame in scene(6, drift=(0.0, 1.0))]
    np.savez(tmp_path / "clips.npz", clips=np.stack([frames, frames]))
    clips = SkyTimelapse(tmp_path / "clips.npz", num_frames=5)
    assert clips.names == ["clips_00000", "clips_00001"]
    assert len(list(clips.frames(1))) == 5
    np.savez(tmp_path / "clips.npz", clips=np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"wanted clips \[N, T, H, W, 3\]"):
        SkyTimelapse(tmp_path / "clips.npz")


def test_a_folder_without_frames_is_refused(tmp_path):
    with pytest.raises(InputError, match="wanted folders of frames"):
        SkyTimelapse(tmp_path)
