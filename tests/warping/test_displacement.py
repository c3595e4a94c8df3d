import pytest
import torch
import torch.nn.functional as F

from stylecinegan.warping.displacement import (
    euler_step,
    integrate_motion,
    reflect,
    resize_displacement,
)


def constant(x, y, height=8, width=10):
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, height, width).contiguous()


def swirl(height=24, width=32):
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    return torch.stack([-y, x]).unsqueeze(0)


def many_steps(motion, count, sampling="bilinear"):
    state = torch.zeros_like(motion)
    for _ in range(count):
        state = euler_step(state, motion, sampling=sampling)
    return state


def test_constant_motion_adds_up():
    for t, (start, end) in enumerate(integrate_motion(constant(0.5, -0.25), 6)):
        torch.testing.assert_close(start, constant(0.5 * t, -0.25 * t))
        torch.testing.assert_close(end, constant(-0.5 * (6 - t), 0.25 * (6 - t)))


@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("num_frames", [2, 7, 40])
def test_every_frame_equals_integrating_from_scratch(num_frames, sampling):
    # 40 frames is more than the states that are kept, so some are computed again.
    motion = swirl()
    pairs = list(integrate_motion(motion, num_frames, sampling=sampling))
    assert len(pairs) == num_frames
    for t in range(0, num_frames, 5):
        assert torch.equal(pairs[t][0], many_steps(motion, t, sampling))
        assert torch.equal(pairs[t][1], many_steps(-motion, num_frames - t, sampling))


def test_the_released_period_ends_on_frame_0_again():
    motion = swirl()
    pairs = list(integrate_motion(motion, 9, period=8))
    assert torch.equal(pairs[8][1], torch.zeros_like(motion))
    assert torch.equal(pairs[0][1], many_steps(-motion, 8))


def test_nearest_sampling_rounds_the_position():
    motion = torch.zeros(1, 2, 1, 4)
    motion[0, 0, 0] = torch.tensor([0.4, 10.0, 20.0, 30.0])
    state = torch.zeros_like(motion)
    state[0, 0, 0, 0] = 1.6  # lands nearest to pixel 2
    assert euler_step(state, motion, sampling="nearest")[0, 0, 0, 0] == pytest.approx(21.6)


def test_bilinear_sampling_reads_between_pixels_and_goes_on_at_the_border():
    motion = torch.zeros(1, 2, 2, 3)
    motion[0, 0] = torch.tensor([[1.0, 3.0, 5.0]] * 2)
    state = torch.zeros_like(motion)
    state[0, 0, 0] = torch.tensor([0.5, 0.0, 7.0])
    expected = torch.tensor([0.5 + 2.0, 3.0, 7.0 + 5.0])
    torch.testing.assert_close(euler_step(state, motion)[0, 0, 0], expected)


@pytest.mark.parametrize("size", [(16, 20), (4, 5), (12, 25), (8, 10), (5, 13)])
def test_resizing_scales_the_vectors_at_any_ratio(size):
    resized = resize_displacement(constant(1.0, 2.0), size)
    assert resized.shape[2:] == size
    torch.testing.assert_close(resized, constant(size[1] / 10, 2.0 * size[0] / 8, *size))


def test_reflection_is_that_of_torch_and_goes_on_beyond_one_width():
    field = torch.randn(1, 2, 5, 7)
    assert torch.equal(reflect(field, (4, 6)), F.pad(field, (6, 6, 4, 4), mode="reflect"))
    line = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    expected = [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]
    assert reflect(line, (0, 5)).flatten().tolist() == expected
