from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from stylecinegan import io
from stylecinegan.errors import InputError
from stylecinegan.motion.estimation.optical_flow import average_over_time, estimate_motion

from .moving_scene import HORIZON, SIZE, scene

SKY = (slice(8, HORIZON - 8), slice(8, -8))
GROUND = (slice(HORIZON + 8, -8), slice(8, -8))


def mean_in(values, place):
    return values[0][:, place[0], place[1]].mean(dim=(1, 2)).tolist()


def test_the_motion_of_a_drifting_sky_over_static_ground_is_estimated():
    clip = estimate_motion(scene(12, drift=(1.5, -0.5)))
    assert clip.motion.shape == (1, 2, *SIZE)
    assert mean_in(clip.motion, SKY) == pytest.approx([1.5, -0.5], abs=0.05)
    assert mean_in(clip.motion, GROUND) == pytest.approx([0.0, 0.0], abs=0.05)
    assert mean_in(clip.confidence, SKY)[0] > 0.8
    assert mean_in(clip.confidence, GROUND)[0] > 0.8


def test_the_image_is_the_first_frame():
    frames = list(scene(6, drift=(1.0, 0.0)))
    assert torch.equal(estimate_motion(frames).image, frames[0])


def test_a_motion_of_a_tenth_of_a_pixel_is_estimated():
    clip = estimate_motion(scene(33, drift=(0.1, 0.0)), camera="static")
    assert mean_in(clip.motion, SKY) == pytest.approx([0.1, 0.0], abs=0.02)


def test_repeated_frames_do_not_change_the_motion():
    frames = [frame for frame in scene(10, drift=(2.0, 0.0)) for _ in range(2)]
    clip = estimate_motion(frames)
    assert mean_in(clip.motion, SKY) == pytest.approx([2.0, 0.0], abs=0.05)
    assert mean_in(clip.confidence, SKY)[0] > 0.8


def test_an_outlier_frame_does_not_change_the_motion():
    frames = list(scene(16, drift=(1.0, 0.0)))
    frames[8] = torch.from_numpy(np.random.default_rng(3).random((1, 3, *SIZE), np.float32)) * 2 - 1
    clip = estimate_motion(frames, camera="static")
    assert mean_in(clip.motion, SKY) == pytest.approx([1.0, 0.0], abs=0.05)


def test_regions_without_texture_have_low_confidence():
    flat = [torch.full((1, 3, 64, 64), 0.1 * (number % 2)) for number in range(6)]
    assert estimate_motion(flat, camera="static").confidence.max() < 0.1


def test_a_panning_camera_is_refused():
    path = [(1.5 * frame, 0.0) for frame in range(12)]
    with pytest.raises(InputError, match="wanted a static camera, found no static content"):
        estimate_motion(scene(12, drift=(0.0, 0.5), camera=path))


def test_camera_shake_is_removed():
    shake = [(1.6 * np.sin(2.1 * frame), 1.2 * np.cos(1.7 * frame)) for frame in range(20)]
    clip = estimate_motion(scene(20, drift=(1.0, 0.0), camera=shake))
    assert mean_in(clip.motion, SKY) == pytest.approx([1.0, 0.0], abs=0.1)
    assert mean_in(clip.motion, GROUND) == pytest.approx([0.0, 0.0], abs=0.1)


def test_clouds_that_fill_the_picture_need_camera_static():
    with pytest.raises(InputError, match="camera=static"):
        estimate_motion(scene(8, drift=(1.5, 0.0), has_ground=False))
    clip = estimate_motion(scene(8, drift=(1.5, 0.0), has_ground=False), camera="static")
    assert mean_in(clip.motion, SKY) == pytest.approx([1.5, 0.0], abs=0.05)


def test_too_few_frames_are_refused():
    with pytest.raises(InputError, match="wanted at least 4 different frames, found 3"):
        estimate_motion(scene(3, drift=(1.0, 0.0)))
    still = [io.from_uint8(np.zeros((32, 32, 3), np.uint8))] * 9
    with pytest.raises(InputError, match="different frames, found 1"):
        estimate_motion(still)


def test_frames_of_several_sizes_are_refused():
    with pytest.raises(InputError, match="several sizes"):
        estimate_motion([*scene(4), torch.zeros(1, 3, 20, 20)])


def test_oscillating_flow_has_low_confidence():
    flow = np.zeros((8, 2, 9, 9), np.float32)
    flow[::2, 0], flow[1::2, 0] = 1.0, -1.0
    motion, confidence = average_over_time(flow, np.ones((8, 9, 9), bool))
    assert np.abs(motion).max() == 0.0
    # The mean has length 0, the flows have 1; 0.05 is the length that is noise.
    assert confidence == pytest.approx(np.full((9, 9), 0.05 / 1.05), abs=1e-6)


def test_flow_that_fails_the_forward_backward_check_is_ignored():
    flow = np.ones((4, 2, 9, 9), np.float32)
    agrees = np.ones((4, 9, 9), bool)
    flow[0], agrees[0] = 1.04, False
    motion, confidence = average_over_time(flow, agrees)
    assert motion == pytest.approx(np.ones((2, 9, 9)), abs=1e-6)
    assert confidence == pytest.approx(np.full((9, 9), 0.75), abs=1e-6)


WATERFALL = Path(__file__).parents[3] / "shared/data/clips/waterfall_kelsey.mp4"


@pytest.mark.skipif(not WATERFALL.exists(), reason="the real clips are not here")
def test_a_real_waterfall_falls_and_nothing_else_moves():
    frames = (functional.avg_pool2d(frame, 2) for frame in io.read_video(WATERFALL))
    clip = estimate_motion(frames)
    x, y = clip.motion[0]
    fast = torch.hypot(x, y) > 1.0
    assert 0.005 < fast.float().mean() < 0.1
    assert bool((y[fast] > x[fast].abs()).all())
    columns = fast.nonzero()[:, 1]
    assert columns.max() - columns.min() < 0.15 * fast.shape[1]
