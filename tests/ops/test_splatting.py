import itertools

import pytest
import torch
import torch.nn.functional as F

from stylecinegan.errors import InputError
from stylecinegan.ops import extension
from stylecinegan.ops.splatting import splat

BACKENDS = pytest.mark.parametrize("backend", ["reference", "native"])
NATIVE = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def random_inputs(device="cpu", dtype=torch.float64, batch=2, channels=3, height=11, width=13):
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(batch, channels, height, width, generator=generator, dtype=dtype)
    # Whole steps across all borders, and a fraction that keeps off the kinks of the weights.
    steps = torch.randint(-15, 16, (batch, 2, height, width), generator=generator)
    fractions = torch.rand(batch, 2, height, width, generator=generator, dtype=dtype)
    displacement = steps + 0.1 + 0.8 * fractions
    return [value.to(device).requires_grad_() for value in (feature, displacement)]


def constant(x, y, height, width):
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, height, width)


@BACKENDS
def test_half_pixel_shift_splits_the_value_between_two_pixels(backend):
    feature = torch.tensor([[[[0.0, 8.0, 0.0]]]])
    assert splat(feature, constant(0.5, 0, 1, 3), backend=backend).tolist() == [[[[0.0, 4.0, 4.0]]]]


@BACKENDS
def test_a_pixel_is_shared_by_four_in_proportion_to_their_overlap(backend):
    feature = torch.zeros(1, 1, 3, 3)
    feature[..., 0, 0] = 16.0
    sums = splat(feature, constant(1.25, 0.5, 3, 3), backend=backend)
    assert sums.tolist() == [[[[0.0, 6.0, 2.0], [0.0, 6.0, 2.0], [0.0, 0.0, 0.0]]]]


@BACKENDS
def test_the_first_displacement_is_right_and_the_second_is_down(backend):
    feature = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    right = splat(feature, constant(1, 0, 2, 2), backend=backend)
    down = splat(feature, constant(0, 1, 2, 2), backend=backend)
    assert right.tolist() == [[[[0.0, 1.0], [0.0, 3.0]]]]
    assert down.tolist() == [[[[0.0, 0.0], [1.0, 2.0]]]]


@BACKENDS
def test_pixels_that_meet_add_up(backend):
    feature = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    displacement = torch.tensor([[[[1.0, 0.0, -1.0]], [[0.0, 0.0, 0.0]]]])
    assert splat(feature, displacement, backend=backend).tolist() == [[[[0.0, 7.0, 0.0]]]]


@BACKENDS
def test_what_lands_half_outside_leaves_only_its_inner_half(backend):
    feature = torch.tensor([[[[8.0, 0.0, 2.0]]]])
    displacement = torch.tensor([[[[-0.5, 0.0, 0.5]], [[0.0, 0.0, 0.0]]]])
    assert splat(feature, displacement, backend=backend).tolist() == [[[[4.0, 0.0, 1.0]]]]


@BACKENDS
def test_zero_displacement_returns_the_feature_exactly(backend):
    feature = torch.randn(2, 9, 7, 5)
    assert torch.equal(splat(feature, torch.zeros(2, 2, 7, 5), backend=backend), feature)


@BACKENDS
def test_the_sum_is_conserved_when_everything_lands_inside(backend):
    feature = torch.zeros(1, 2, 20, 20, dtype=torch.float64)
    feature[..., 5:15, 5:15] = torch.rand(1, 2, 10, 10, dtype=torch.float64)
    displacement = 8 * torch.rand(1, 2, 20, 20, dtype=torch.float64) - 4
    sums = splat(feature, displacement, backend=backend)
    torch.testing.assert_close(sums.sum((2, 3)), feature.sum((2, 3)))


@BACKENDS
def test_splatting_is_the_adjoint_of_sampling(backend):
    feature, displacement = (value.detach() for value in random_inputs(batch=1))
    other = torch.randn_like(feature)
    _, _, height, width = feature.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = columns + displacement[:, 0], rows + displacement[:, 1]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    sampled = F.grid_sample(other, grid, "bilinear", "zeros", align_corners=True)
    pushed = splat(feature, displacement, backend=backend)
    torch.testing.assert_close((pushed * other).sum(), (feature * sampled).sum())


@NATIVE
@pytest.mark.parametrize("channels", [1, 3, 4, 5, 17])
def test_native_matches_reference(device, channels):
    inputs = random_inputs(device, channels=channels)
    actual, expected = (splat(*inputs, backend=b) for b in ("native", "reference"))
    torch.testing.assert_close(actual, expected)
    upstream = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
    )


@NATIVE
def test_native_matches_reference_on_a_map_of_several_bands(device):
    inputs = [value.detach() for value in random_inputs(device, torch.float32, 1, 3, 300, 40)]
    actual, expected = (splat(*inputs, backend=b) for b in ("native", "reference"))
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_gradients_agree_with_finite_differences(backend):
    inputs = random_inputs(channels=2, height=4, width=5)
    assert torch.autograd.gradcheck(lambda *given: splat(*given, backend=backend), inputs)


@NATIVE
def test_the_operators_keep_the_rules_of_torch_library(device):
    extension.load(device)
    feature, displacement = random_inputs(device, height=5, width=4)
    operators = torch.ops.stylecinegan
    torch.library.opcheck(operators.splat.default, (feature, displacement))
    detached = (torch.randn_like(feature), feature.detach(), displacement.detach())
    torch.library.opcheck(operators.splat_backward.default, detached)


def test_it_compiles_to_one_graph():
    inputs = random_inputs(dtype=torch.float32)
    compiled = torch.compile(splat, fullgraph=True, backend="aot_eager")
    actual, expected = compiled(*inputs), splat(*inputs)
    torch.testing.assert_close(actual, expected)
    upstream = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
    )


@BACKENDS
def test_memory_order_does_not_matter(backend):
    feature, displacement = (value.detach() for value in random_inputs())
    strided = feature.to(memory_format=torch.channels_last), displacement.mT.contiguous().mT
    expected = splat(feature, displacement, backend=backend)
    torch.testing.assert_close(splat(*strided, backend=backend), expected, rtol=0, atol=0)


@BACKENDS
def test_an_empty_batch_gives_an_empty_batch(backend):
    assert splat(torch.ones(0, 3, 4, 5), torch.ones(0, 2, 4, 5), backend=backend).shape[0] == 0


@BACKENDS
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 2.0**31, -(2.0**63)]
)
def test_a_displacement_that_is_no_place_drops_its_pixel(backend, value):
    feature = torch.ones(1, 1, 4, 4)
    for axis, column in itertools.product((0, 1), range(4)):
        displacement = torch.zeros(1, 2, 4, 4)
        displacement[0, axis, 2, column] = value
        expected = feature.clone()
        expected[..., 2, column] = 0.0
        assert torch.equal(splat(feature, displacement, backend=backend), expected)


@BACKENDS
def test_a_dropped_pixel_has_no_gradient(backend):
    feature = torch.ones(1, 1, 1, 3, requires_grad=True)
    displacement = torch.tensor([[[[0.25, float("nan"), 9.0]], [[0.0, 0.0, 0.0]]]])
    displacement.requires_grad_()
    splat(feature, displacement, backend=backend)[..., 0].sum().backward()
    assert feature.grad.tolist() == [[[[0.75, 0.0, 0.0]]]]
    assert displacement.grad[0, 0].tolist() == [[-1.0, 0.0, 0.0]]


@BACKENDS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_only_at_the_end(backend, dtype):
    # 300 ones meet in one pixel: adding in bfloat16 would stop at 256.
    feature = torch.ones(1, 1, 1, 300, dtype=dtype)
    displacement = torch.zeros(1, 2, 1, 300)
    displacement[0, 0, 0] = -torch.arange(300.0)
    sums = splat(feature, displacement, backend=backend)
    assert sums.dtype == dtype
    assert sums[0, 0, 0, 0] == 300


@pytest.mark.parametrize("channels", [3, 12])
def test_any_number_of_threads_gives_the_same_bits(channels):
    inputs = [value.detach() for value in random_inputs("cpu", torch.float32, 1, channels, 400, 30)]
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            results.append(splat(*inputs, backend="native"))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.gpu
def test_deterministic_algorithms_give_the_same_bits_on_cuda():
    feature, displacement = (value.detach() for value in random_inputs("cuda", torch.float32))
    torch.use_deterministic_algorithms(True)
    try:
        results = [splat(feature, 0.01 * displacement) for _ in range(5)]
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(result, results[0]) for result in results)


def test_shapes_that_do_not_match_are_named():
    wanted = r"displacement must be \(1, 2, 4, 5\) to match feature \(1, 3, 4, 5\), got \(1, 2, 5,"
    with pytest.raises(InputError, match=wanted):
        splat(torch.ones(1, 3, 4, 5), torch.ones(1, 2, 5, 4))


def test_a_feature_that_is_no_map_of_real_numbers_is_named():
    with pytest.raises(InputError, match=r"\(B, C, H, W\), got torch.float32 of shape \(3, 4, 5\)"):
        splat(torch.ones(3, 4, 5), torch.ones(1, 2, 4, 5))
    with pytest.raises(InputError, match=r"floating point.*torch.int64"):
        splat(torch.ones(1, 3, 4, 5, dtype=torch.int64), torch.ones(1, 2, 4, 5))


def test_an_unknown_backend_is_named():
    with pytest.raises(InputError, match="'auto', 'native' or 'reference', got 'fast'"):
        splat(torch.ones(1, 3, 4, 5), torch.ones(1, 2, 4, 5), backend="fast")


def test_tensors_on_different_devices_are_named():
    with pytest.raises(InputError, match="displacement must be on cpu like feature, got meta"):
        splat(torch.ones(1, 3, 4, 5), torch.ones(1, 2, 4, 5, device="meta"))


def test_native_on_a_device_without_operators_is_refused():
    feature, displacement = (torch.ones(1, 2, 4, 5, device="meta") for _ in range(2))
    assert splat(feature, displacement).shape == feature.shape
    with pytest.raises(extension.ExtensionError, match="no compiled operators for the device"):
        splat(feature, displacement, backend="native")
