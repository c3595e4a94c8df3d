import pytest
import torch
import torch.nn.functional as F

from stylecinegan.ops import extension
from stylecinegan.warping.displacement import (
    euler_step,
    integrate_motion,
    pixel_grid,
    reflect,
    resize_displacement,
)

BACKENDS = pytest.mark.parametrize("backend", ["reference", "native"])
NATIVE = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


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


@BACKENDS
def test_nearest_sampling_rounds_the_position(backend):
    motion = torch.zeros(1, 2, 1, 4)
    motion[0, 0, 0] = torch.tensor([0.4, 10.0, 20.0, 30.0])
    state = torch.zeros_like(motion)
    state[0, 0, 0, 0] = 1.6  # lands nearest to pixel 2
    moved = euler_step(state, motion, sampling="nearest", backend=backend)
    assert moved[0, 0, 0, 0] == pytest.approx(21.6)


@BACKENDS
def test_bilinear_sampling_reads_between_pixels_and_goes_on_at_the_border(backend):
    motion = torch.zeros(1, 2, 2, 3)
    motion[0, 0] = torch.tensor([[1.0, 3.0, 5.0]] * 2)
    state = torch.zeros_like(motion)
    state[0, 0, 0] = torch.tensor([0.5, 0.0, 7.0])
    expected = torch.tensor([0.5 + 2.0, 3.0, 7.0 + 5.0])
    torch.testing.assert_close(euler_step(state, motion, backend=backend)[0, 0, 0], expected)


@BACKENDS
@pytest.mark.parametrize("size", [(16, 20), (4, 5), (12, 25), (8, 10), (5, 13)])
def test_resizing_scales_the_vectors_at_any_ratio(size, backend):
    resized = resize_displacement(constant(1.0, 2.0), size, backend=backend)
    assert resized.shape[2:] == size
    torch.testing.assert_close(resized, constant(size[1] / 10, 2.0 * size[0] / 8, *size))


def test_reflection_is_that_of_torch_and_goes_on_beyond_one_width():
    field = torch.randn(1, 2, 5, 7)
    assert torch.equal(reflect(field, (4, 6)), F.pad(field, (6, 6, 4, 4), mode="reflect"))
    line = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    expected = [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]
    assert reflect(line, (0, 5)).flatten().tolist() == expected


def random_field(dtype=torch.float64, height=37, width=53):
    """Motion and displacements of two maps; particles leave them on all sides."""
    torch.manual_seed(0)
    motion, state = 20.0 * torch.randn(2, 2, 2, height, width, dtype=dtype)
    return motion, state


@BACKENDS
def test_bilinear_sampling_is_that_of_grid_sample(backend):
    motion, state = random_field()
    position = (pixel_grid(37, 53, motion) + state).permute(0, 2, 3, 1)
    grid = position * (2.0 / torch.tensor([52.0, 36.0], dtype=torch.float64)) - 1.0
    sampled = F.grid_sample(motion, grid, padding_mode="border", align_corners=True)
    torch.testing.assert_close(euler_step(state, motion, backend=backend), state + sampled)


@NATIVE
@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_steps_equal_the_reference(device, sampling, dtype):
    motion, state = (value.to(device) for value in random_field(dtype))
    state[..., ::3] = state[..., ::3].round() + 0.5  # halves are rounded to even by both
    actual, expected = (
        euler_step(state, motion, sampling=sampling, backend=backend)
        for backend in ("native", "reference")
    )
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-5)


@NATIVE
@pytest.mark.parametrize("size", [(74, 106), (18, 26), (19, 80), (90, 40), (37, 106), (5, 200)])
def test_compiled_resizing_equals_the_reference(device, size):
    field = random_field()[0].to(device)
    actual, expected = (
        resize_displacement(field, size, backend=backend) for backend in ("native", "reference")
    )
    torch.testing.assert_close(actual, expected)


def test_any_number_of_threads_gives_the_same_bits():
    motion, state = random_field(torch.float32, 300, 40)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            moved = euler_step(state, motion, backend="native")
            resized = [resize_displacement(moved, size) for size in ((150, 20), (600, 80))]
            results.append([moved, *resized])
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(result, results[0], strict=True))


def test_gradients_flow_through_a_step_and_a_resizing():
    motion, state = (value.requires_grad_() for value in random_field())
    resize_displacement(euler_step(state, motion), (8, 9)).sum().backward()
    assert motion.grad is not None
    assert motion.grad.abs().sum() > 0


@NATIVE
def test_the_operators_keep_the_rules_of_torch_library(device):
    extension.load(device)
    motion, state = (value.to(device) for value in random_field(height=5, width=6))
    operators = torch.ops.stylecinegan
    for is_nearest in (False, True):
        torch.library.opcheck(operators.euler_step.default, (state, motion, is_nearest))
    for size in ((3, 3), (11, 9)):
        torch.library.opcheck(operators.resize_displacement.default, (state, *size))
