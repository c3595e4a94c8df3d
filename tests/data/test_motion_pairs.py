import json

import numpy as np
import pytest
import torch

from stylecinegan.data.motion_pairs import (
    MotionPairs,
    check_settings,
    is_finished,
    write_pair,
    write_refusal,
)
from stylecinegan.errors import InputError
from stylecinegan.motion.estimation.optical_flow import ClipMotion


@pytest.fixture
def clip():
    image = torch.linspace(-1, 1, 3 * 6 * 8).view(1, 3, 6, 8)
    motion = torch.stack([torch.full((6, 8), 1.25), torch.full((6, 8), -0.5)])[None]
    return ClipMotion(image, motion, torch.full((1, 1, 6, 8), 0.6))


def test_what_is_written_is_read_back(tmp_path, clip):
    write_pair(tmp_path, "river_00000", clip, "river.mp4")
    pairs = MotionPairs(tmp_path)
    assert pairs.names == ["river_00000"]
    pair = pairs[0]
    assert set(pair) == {"image", "motion", "confidence"}
    torch.testing.assert_close(pair["image"], clip.image[0], atol=1 / 255, rtol=0)
    assert torch.equal(pair["motion"], clip.motion[0])  # both exact in half precision
    assert pair["confidence"].unique().tolist() == pytest.approx([0.6])  # 153 of 255


def test_the_motion_is_small_and_says_where_it_came_from(tmp_path, clip):
    write_pair(tmp_path, "river_00000", clip, "videos/river.mp4")
    with np.load(tmp_path / "river_00000_motion.npz", allow_pickle=False) as arrays:
        assert arrays["motion"].dtype == np.float16
        assert arrays["confidence"].dtype == np.uint8
        assert str(arrays["source"]) == "videos/river.mp4"


def test_pairs_of_several_folders_are_read_together(tmp_path, clip):
    write_pair(tmp_path / "checked", "a", clip, "a.mp4")
    write_pair(tmp_path / "static", "a", clip, "a.mp4")
    assert MotionPairs(tmp_path).names == ["checked/a", "static/a"]


def test_a_clip_is_finished_once_it_has_a_motion_or_a_refusal(tmp_path, clip):
    assert not is_finished(tmp_path, "a")
    (tmp_path / "a.png").write_bytes(b"")
    assert not is_finished(tmp_path, "a")
    write_pair(tmp_path, "a", clip, "a.mp4")
    write_refusal(tmp_path, "b", "the camera moves")
    assert is_finished(tmp_path, "a")
    assert is_finished(tmp_path, "b")


def test_an_empty_folder_and_a_pair_that_does_not_fit_are_refused(tmp_path, clip):
    with pytest.raises(InputError, match=r"wanted NAME.png and NAME_motion.npz in .*, found none"):
        MotionPairs(tmp_path)
    write_pair(tmp_path, "a", clip, "a.mp4")
    np.savez(tmp_path / "a_motion.npz", motion=np.zeros((2, 3, 3)), confidence=np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"must be \[6, 8\]"):
        MotionPairs(tmp_path)[0]
    np.savez(tmp_path / "a_motion.npz", motion=np.zeros((2, 6, 8)))
    with pytest.raises(InputError, match="its confidence is missing"):
        MotionPairs(tmp_path)[0]


def test_pairs_of_other_settings_are_not_mixed_in(tmp_path):
    check_settings(tmp_path, {"side": 512})
    check_settings(tmp_path, {"side": 512})
    assert json.loads((tmp_path / "settings.json").read_text()) == {"side": 512}
    with pytest.raises(InputError, match="made with other settings"):
        check_settings(tmp_path, {"side": 256})
