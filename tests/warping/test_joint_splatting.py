import pytest
import torch
import torch.nn.functional as F

from stylecinegan.errors import InputError
from stylecinegan.ops import extension
from stylecinegan.ops.splatting import splat
from stylecinegan.warping.joint_splatting import joint_splat

BACKENDS = pytest.mark.parametrize("backend", ["reference", "native"])
NATIVE = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def random_inputs(channels=3, border=(0, 0), dtype=torch.float64, size=(13, 11), reach=6.0):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(2, *shape, generator=generator, dtype=dtype)

    height, width = size
    field = (2, height + 2 * border[0], width + 2 * border[1])
    feature, weight = draw(channels, height, width), draw(1, height, width).clamp(min=0)
    return feature, weight, reach * draw(*field), reach * draw(*field)


def shift(x, height, width):
    return torch.tensor([float(x), 0.0]).view(1, 2, 1, 1).expand(1, 2, height, width)


@BACKENDS
def test_two_sources_share_a_pixel_by_progress_and_weight(backend):
    feature = torch.tensor([[[[10.0, 0.0, 20.0]]]])
    weight = torch.tensor([[[[1.0, 0.0, 0.5]]]])
    blended, shares = joint_splat(
        feature, weight, shift(1, 1, 3), shift(-1, 1, 3), 0.25, backend=backend
    )
    # In the middle 0.75 · 1 · 10 from the left meets 0.25 · 0.5 · 20 from the right.
    assert shares.tolist() == [[[[0.0, 0.75, 0.0]], [[0.0, 0.125, 0.0]]]]
    torch.testing.assert_close(blended, torch.tensor([[[[0.0, 10.0 / 0.875, 0.0]]]]))


@BACKENDS
def test_both_directions_share_one_normalisation(backend):
    feature = torch.full((1, 3, 6, 6), 7.0)
    displacement = 2 * torch.rand(1, 2, 6, 6)
    blended, shares = joint_splat(feature, None, displacement, -displacement, 0.5, backend=backend)
    reached = (shares.sum(1, keepdim=True) > 0).expand_as(blended)
    torch.testing.assert_close(blended[reached], torch.full_like(blended[reached], 7.0))
    assert (blended[~reached] == 0).all()


@BACKENDS
@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_where_nothing_moved_the_feature_returns_exactly(backend, progress):
    feature, _, displacement, _ = random_inputs(dtype=torch.float32)
    fields = [torch.zeros_like(displacement), 5 * displacement]
    if progress == 1.0:
        fields.reverse()
    blended, shares = joint_splat(feature, None, *fields, progress, backend=backend)
    assert torch.equal(blended, feature)
    assert torch.equal(shares[:, int(progress)], torch.ones_like(shares[:, 0]))
    assert not shares[:, 1 - int(progress)].any()


@BACKENDS
@pytest.mark.parametrize("border", [(4, 3), (0, 7), (5, 0)])
def test_a_border_reads_the_feature_as_torch_pads_it(backend, border):
    feature, weight, start, end = random_inputs(border=border)
    rows, columns = border
    padded = F.pad(feature, (columns, columns, rows, rows), mode="reflect")
    factor = F.pad(weight, (columns, columns, rows, rows), mode="reflect")
    inside = (..., slice(rows, rows + 13), slice(columns, columns + 11))
    expected = joint_splat(padded, factor, start, end, 0.3, backend="reference")
    actual = joint_splat(feature, weight, start, end, 0.3, backend=backend)
    torch.testing.assert_close(actual, tuple(value[inside] for value in expected))


@BACKENDS
def test_a_border_beyond_the_feature_mirrors_again_and_again(backend):
    # 1 2 3 continues to the left as … 2 3 2 1 2 3 2 (1 2 3): seven left of 1 stands a 2.
    feature = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    displacement = torch.full((1, 2, 1, 17), float("nan"))
    displacement[0, :, 0, 0] = torch.tensor([7.0, 0.0])  # the source at -7 lands at 0
    displacement[0, :, 0, 1] = torch.tensor([7.0, 0.0])  # the source at -6 lands at 1
    blended, _ = joint_splat(feature, None, displacement, displacement, 0.0, backend=backend)
    assert blended.tolist() == [[[[2.0, 3.0, 0.0]]]]


@BACKENDS
def test_a_single_pixel_mirrors_to_itself(backend):
    feature = torch.tensor([[[[5.0]]]])
    displacement = shift(2, 5, 5)
    blended, _ = joint_splat(feature, None, displacement, displacement, 0.5, backend=backend)
    assert blended.tolist() == [[[[5.0]]]]


@NATIVE
@pytest.mark.parametrize("channels", [1, 3, 4, 7, 16])
@pytest.mark.parametrize("border", [(0, 0), (3, 40)])
@pytest.mark.parametrize("weighted", [True, False])
def test_native_matches_reference(device, channels, border, weighted):
    feature, weight, start, end = (value.to(device) for value in random_inputs(channels, border))
    given = feature, weight if weighted else None, start, end, 0.4
    actual, expected = (joint_splat(*given, backend=b) for b in ("native", "reference"))
    torch.testing.assert_close(actual, expected)


def test_native_matches_reference_in_single_precision_over_several_bands():
    inputs = random_inputs(dtype=torch.float32, size=(300, 20), reach=30.0)
    actual, expected = (joint_splat(*inputs, 0.4, backend=b) for b in ("native", "reference"))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)  # quotients of small sums


@BACKENDS
def test_gradients_agree_with_finite_differences(backend):
    feature, weight, start, end = random_inputs(channels=2, size=(3, 4), border=(1, 2), reach=1.0)
    inputs = [value[:1].requires_grad_() for value in (feature, weight + 0.5, start, end)]
    assert torch.autograd.gradcheck(
        lambda *given: joint_splat(*given, 0.3, backend=backend), inputs
    )


def test_the_result_does_not_depend_on_whether_gradients_are_kept():
    inputs = random_inputs(border=(3, 3))
    expected = joint_splat(*inputs, 0.3)
    inputs[0].requires_grad_()
    torch.testing.assert_close(joint_splat(*inputs, 0.3), expected)
    with torch.no_grad():
        assert not joint_splat(*inputs, 0.3)[0].requires_grad


@pytest.mark.parametrize("channels", [3, 9])
def test_any_number_of_threads_gives_the_same_bits(channels):
    inputs = random_inputs(channels, (9, 9), torch.float32, size=(300, 20), reach=20.0)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            results.append(torch.cat(joint_splat(*inputs, 0.3, backend="native"), dim=1))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(result, results[0]) for result in results)


@BACKENDS
def test_displacements_that_are_no_place_leave_nothing(backend):
    feature = torch.ones(1, 3, 4, 4)
    for value in (float("nan"), float("inf"), -3e38, 2.0**31):
        displacement = torch.full((1, 2, 8, 6), value)
        blended, shares = joint_splat(
            feature, None, displacement, displacement, 0.5, backend=backend
        )
        assert not blended.any()
        assert not shares.any()


@BACKENDS
def test_an_empty_batch_gives_an_empty_batch(backend):
    feature, displacement = torch.ones(0, 3, 4, 5), torch.ones(0, 2, 6, 5)
    blended, shares = joint_splat(feature, None, displacement, displacement, 0.5, backend=backend)
    assert blended.shape == (0, 3, 4, 5)
    assert shares.shape == (0, 2, 4, 5)


@BACKENDS
def test_half_precision_comes_back_as_it_went_in(backend):
    feature, weight, start, end = random_inputs(dtype=torch.float32)
    blended, shares = joint_splat(feature.half(), weight, start, end, 0.3, backend=backend)
    expected, _ = joint_splat(feature.half().float(), weight, start, end, 0.3, backend=backend)
    assert blended.dtype == shares.dtype == torch.float16
    torch.testing.assert_close(blended, expected.half())


@NATIVE
def test_the_operator_keeps_the_rules_of_torch_library(device):
    extension.load(device)
    feature, weight, start, end = (value.to(device) for value in random_inputs(border=(2, 1)))
    operator = torch.ops.stylecinegan.joint_splat.default
    torch.library.opcheck(operator, (feature, weight, start, end, 0.3, 1e-12))
    torch.library.opcheck(operator, (feature, None, start, end, 0.3, 1e-12))


def test_it_compiles_to_one_graph():
    inputs = random_inputs(dtype=torch.float32, border=(1, 1))
    compiled = torch.compile(joint_splat, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*inputs, 0.3), joint_splat(*inputs, 0.3))


def test_what_does_not_match_is_named():
    feature, weight, start, end = random_inputs()
    with pytest.raises(InputError, match=r"same border on opposite sides, got \(13, 12\) for"):
        joint_splat(feature, weight, F.pad(start, (0, 1)), end, 0.3)
    with pytest.raises(InputError, match=r"from_end must be \(2, 2, 13, 11\).*got \(2, 2, 13, 13"):
        joint_splat(feature, weight, start, F.pad(end, (1, 1)), 0.3)
    with pytest.raises(InputError, match=r"weight must be \(2, 1, 13, 11\) to match feature"):
        joint_splat(feature, weight[:1], start, end, 0.3)
    with pytest.raises(InputError, match=r"progress must be in \[0, 1\], got 1.5"):
        joint_splat(feature, weight, start, end, 1.5)
    with pytest.raises(InputError, match="feature must not be empty"):
        joint_splat(feature[:, :0], weight, start, end, 0.3)


def test_it_is_the_quotient_of_two_sums_of_splats():
    feature, weight, start, end = random_inputs()
    sums = 0.7 * splat(feature * weight, start) + 0.3 * splat(feature * weight, end)
    weights = 0.7 * splat(weight, start) + 0.3 * splat(weight, end)
    blended, shares = joint_splat(feature, weight, start, end, 0.3)
    torch.testing.assert_close(shares.sum(1, keepdim=True), weights)
    torch.testing.assert_close(blended, torch.where(weights > 0, sums / weights, 0))
