import numpy as np
import pytest
import torch

from stylecinegan.data.clip_windows import ClipWindows
from stylecinegan.errors import InputError


def write_clips(folder, num_clips=3, num_frames=9, height=8, width=12):
    """Frame t of clip n is flat and has the value 40 n + t."""
    levels = 40 * np.arange(num_clips)[:, None] + np.arange(num_frames)[None]
    clips = np.broadcast_to(
        levels[:, :, None, None, None], (num_clips, num_frames, height, width, 3)
    )
    np.savez(folder / "sky.npz", clips=clips.astype(np.uint8))
    return folder / "sky.npz"


def levels_of(sample):
    return ((sample["video"].mean(dim=(1, 2, 3)) + 1.0) * 127.5).round().int().tolist()


def test_frames_of_a_window_are_a_stride_apart_and_square(tmp_path):
    windows = ClipWindows(write_clips(tmp_path), side=4, num_frames=3, stride=3)
    sample = windows[0]
    assert sample["video"].shape == (3, 3, 4, 4)
    first, second, third = levels_of(sample)
    assert (second - first, third - second) == (3, 3)
    assert first % 40 <= 2  # nine frames hold three windows of seven


def test_a_sample_depends_on_the_seed_and_its_number_alone(tmp_path):
    path = write_clips(tmp_path)
    one, other = (ClipWindows(path, side=4, num_frames=2, seed=5) for _ in range(2))
    for _ in range(3):
        other[7]
    assert torch.equal(one[11]["video"], other[11]["video"])
    drawn = {tuple(levels_of(ClipWindows(path, side=4, num_frames=2, seed=s)[0])) for s in range(9)}
    assert len(drawn) > 3


def test_clips_that_are_held_out_are_never_shown(tmp_path):
    path = write_clips(tmp_path)
    (tmp_path / "held.txt").write_text("sky_00000\nsky_00002\n")
    windows = ClipWindows(path, side=4, num_frames=2, held_out=tmp_path / "held.txt")
    assert len(windows) == 1
    assert all(40 <= level < 80 for n in range(6) for level in levels_of(windows[n]))
    (tmp_path / "held.txt").write_text("sky_00000\nsky_00001\nsky_00002\n")
    with pytest.raises(InputError, match="that are not held out, found none"):
        ClipWindows(path, held_out=tmp_path / "held.txt")


def test_a_clip_that_is_too_short_is_named(tmp_path):
    windows = ClipWindows(write_clips(tmp_path, num_clips=1), side=4, num_frames=6, stride=2)
    with pytest.raises(InputError, match="wanted clips of 11 frames, found 9 in sky_00000"):
        windows[0]


def test_a_window_of_one_frame_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 2 frames"):
        ClipWindows(write_clips(tmp_path), num_frames=1)
