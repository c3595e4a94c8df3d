from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from stylecinegan.generator.layers import upsample
from stylecinegan.ops import extension
from stylecinegan.warping.displacement import integrate_motion, reflect
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.photo_layer.pyramid import WAVELENGTH, WarpedPyramid

NATIVE = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
SIZE = (96, 160)


def smooth(*shape, seed, grid=5):
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(*shape[:2], grid, grid, generator=random)
    return F.interpolate(coarse, shape[2:], mode="bicubic")


def make_pyramid(mask=None, sizes=((24, 40), (48, 80), SIZE), **settings):
    levels = [smooth(1, 3, *size, seed=i, grid=9) for i, size in enumerate(sizes)]
    weights = [0.6 + 0.4 * smooth(1, 1, *size, seed=9).sin() for size in sizes]
    mask = torch.ones(1, 1, *SIZE) if mask is None else mask
    static = 0.3 * smooth(1, 3, *SIZE, seed=4)
    return WarpedPyramid(levels, weights, static, mask, **settings)


def make_warps(height=48, width=80, scale=1.5, border=(8, 16), num_frames=8, **settings):
    motion = reflect(smooth(1, 2, height, width, seed=7) * scale, border)
    for t, pair in enumerate(integrate_motion(motion, num_frames)):
        yield FrameWarp(*pair, t / num_frames, border, **settings)


def assert_native_is_plain(pyramid, warp, device="cpu"):
    fields = {
        "from_start": warp.from_start.to(device),
        "from_end": warp.from_end.to(device),
        "_resized": {},
    }
    warp = replace(warp, **fields)
    actual = pyramid.render(replace(warp, backend="native"))
    expected = pyramid.render(replace(warp, backend="reference"))
    # Where next to nothing lands, the quotient of two roundings is anything.
    differs = (actual - expected).abs() > 1e-4
    assert differs.float().mean() < 2e-3


def on(device, pyramid):
    return replace(
        pyramid,
        levels=[level.to(device) for level in pyramid.levels],
        weights=[None if w is None else w.to(device) for w in pyramid.weights],
        static=pyramid.static.to(device),
        mask=pyramid.mask.to(device),
    )


@NATIVE
@pytest.mark.parametrize("use_contrast_preservation", [True, False])
@pytest.mark.parametrize("edges_fade", [True, False])
@pytest.mark.parametrize("use_hole_filling", [True, False])
def test_the_compiled_frame_equals_pytorchs_with_and_without_every_setting(
    device, use_contrast_preservation, edges_fade, use_hole_filling
):
    pyramid = make_pyramid(
        use_contrast_preservation=use_contrast_preservation, edges_fade=edges_fade
    )
    pyramid = on(device, pyramid)
    for warp in make_warps(use_hole_filling=use_hole_filling):
        assert_native_is_plain(pyramid, warp, device)


@NATIVE
@pytest.mark.parametrize("field", [(24, 40), (32, 32), (96, 160)])
def test_displacements_may_be_of_any_size(device, field):
    border = (field[0] // 4, field[1] // 4)
    pyramid = on(device, make_pyramid(use_contrast_preservation=True))
    warp = list(make_warps(*field, scale=field[0] / 32, border=border))[3]
    assert_native_is_plain(pyramid, warp, device)


def test_levels_may_be_of_any_ratio_and_weigh_the_same():
    pyramid = make_pyramid(sizes=((17, 23), (48, 80), SIZE))
    pyramid = replace(pyramid, weights=[None] * 3)
    warp = list(make_warps(border=(0, 0)))[2]
    assert_native_is_plain(pyramid, warp)


def torn(x):
    """Everything right of the middle moves x pixels to the right: a gap opens."""
    displacement = torch.zeros(1, 2, *SIZE)
    displacement[0, 0, :, 80:] = x
    return displacement


@NATIVE
def test_a_hole_gets_the_mean_around_it(device):
    level = torch.zeros(1, 3, *SIZE)
    level[..., :80], level[..., 80:] = 0.25, 0.75
    mask = torch.ones(1, 1, *SIZE)
    pyramid = on(device, WarpedPyramid([level], [None], torch.zeros_like(level), mask))
    warp = FrameWarp(torn(3.0).to(device), torn(3.0).to(device), 0.5, backend="native")
    frame = pyramid.render(warp).cpu()
    # Columns 80 to 82 are torn open. Seven columns around 81: 78, 79 and 83, 84 are known.
    assert torch.equal(frame[..., :80], level[..., :80])
    torch.testing.assert_close(frame[0, 0, 40, 80:84], torch.tensor([0.375, 0.5, 0.625, 0.75]))
    bare = pyramid.render(replace(warp, use_hole_filling=False)).cpu()
    assert bare[..., 80:83].abs().max() == 0.0


@pytest.mark.parametrize("row", [31, 32, 63, 64])
def test_a_hole_at_the_end_of_a_band_gets_the_mean_of_both_sides(row):
    level = torch.zeros(1, 3, *SIZE)
    level[..., :row, :], level[..., row:, :] = 0.25, 0.75
    pyramid = WarpedPyramid([level], [None], torch.zeros_like(level), torch.ones(1, 1, *SIZE))
    displacement = torch.zeros(1, 2, *SIZE)
    displacement[0, 1, row:] = 3.0
    warp = FrameWarp(displacement, displacement, 0.5, backend="native")
    frame = pyramid.render(warp)
    # Three rows are torn open; seven rows around the middle one: two on either side are known.
    torch.testing.assert_close(
        frame[0, 0, row - 1 : row + 4, 80], torch.tensor([0.25, 0.375, 0.5, 0.625, 0.75])
    )
    assert torch.equal(frame, pyramid.render(warp, use_box=False))


def box_mask(top, bottom, left, right):
    mask = torch.zeros(1, 1, *SIZE)
    mask[..., top:bottom, left:right] = 0.7
    return mask


@NATIVE
@pytest.mark.parametrize(
    "box",
    [(40, 61, 70, 95), (0, 30, 0, 160), (66, 96, 0, 160), (10, 96, 131, 160), (50, 51, 3, 4)],
    ids=["inside", "sky", "water", "corner", "pixel"],
)
def test_only_the_box_that_moves_is_computed_with_the_same_result(device, box):
    pyramid = on(device, make_pyramid(box_mask(*box), use_contrast_preservation=True))
    for number, warp in enumerate(make_warps(scale=2.0, backend="native")):
        if number % 3:
            continue
        fields = {"from_start": warp.from_start.to(device), "from_end": warp.from_end.to(device)}
        warp = replace(warp, **fields)
        boxed, whole = pyramid.render(warp), pyramid.render(warp, use_box=False)
        if device == "cpu":
            assert torch.equal(boxed, whole)
        else:  # atomic additions
            torch.testing.assert_close(boxed, whole, rtol=1e-4, atol=1e-4)
        static = (pyramid.mask == 0).expand_as(boxed)
        assert torch.equal(boxed[static], pyramid.static[static].clamp(-1.0, 1.0))


def test_an_empty_mask_gives_the_static_part():
    pyramid = make_pyramid(torch.zeros(1, 1, *SIZE))
    frame = pyramid.render(list(make_warps())[3])
    assert torch.equal(frame, pyramid.static.clamp(-1.0, 1.0))


def test_any_number_of_threads_gives_the_same_bits():
    pyramid = make_pyramid(use_contrast_preservation=True)
    warp = list(make_warps(scale=4.0, backend="native"))[4]
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            results.append(pyramid.render(warp))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(result, results[0]) for result in results)


def test_frames_are_clamped():
    pyramid = make_pyramid()
    bright = replace(pyramid, static=pyramid.static + 2.0)
    for backend in ("native", "reference"):
        frame = bright.render(next(make_warps(backend=backend)))
        assert frame.max() == 1.0
        assert frame.min() >= -1.0


def test_half_way_between_two_pyramids_is_the_mean_of_their_frames():
    first = make_pyramid()
    other = replace(first, levels=[-0.5 * level for level in first.levels])
    warp = list(make_warps())[3]
    small = [
        replace(p, static=0.0 * p.static, mask=0.1 * p.mask) for p in (first, other)
    ]  # no clamp
    between = small[0].interpolate(small[1], 0.5).render(warp)
    mean = (small[0].render(warp) + small[1].render(warp)) / 2
    torch.testing.assert_close(between, mean, rtol=1e-4, atol=1e-5)


def test_fading_edges_are_those_of_the_generator():
    """Levels that stay where they are add up as the generator's do."""
    pyramid = make_pyramid(edges_fade=True)
    still = replace(pyramid, weights=[None] * 3, mask=0.1 * pyramid.mask)
    zero = torch.zeros(1, 2, 48, 80)
    first, second, third = still.levels
    expected = upsample(upsample(first) + second) + third
    frame = still.render(FrameWarp(zero, zero, 0.3, backend="native"))
    torch.testing.assert_close(frame, (still.static + 0.1 * expected).clamp(-1.0, 1.0))


@NATIVE
def test_the_operator_keeps_the_rules_of_torch_library(device):
    extension.load(device)
    pyramid = on(device, make_pyramid(box_mask(10, 80, 20, 90)))
    warp = list(make_warps())[3]
    arguments = (
        pyramid._packed,
        warp.from_start.to(device),
        warp.from_end.to(device),
        warp.border,
        warp.progress,
        1e-12,
        True,
        False,
        WAVELENGTH,
        pyramid.static,
        pyramid.mask,
        (10, 80, 20, 90),
        pyramid._losses,
    )
    # Sums of atomic additions differ in their last bits.
    checks = ("test_schema", "test_faketensor") if device == "cuda" else None
    operator = torch.ops.stylecinegan.render_frame.default
    if checks is None:
        torch.library.opcheck(operator, arguments)
    else:
        torch.library.opcheck(operator, arguments, test_utils=checks)


def test_what_does_not_fit_the_operator_is_refused():
    pyramid = make_pyramid()
    warp = next(make_warps(backend="native"))
    with pytest.raises(RuntimeError, match="must have the size of its finest level"):
        replace(pyramid, static=pyramid.static[..., 1:]).render(warp)


def test_an_interpolated_pyramid_renders_as_one_made_of_its_levels():
    first = make_pyramid()
    second = replace(first, levels=[level.flip(3) for level in first.levels])
    between = first.interpolate(second, 0.3)
    anew = replace(between, between=None)
    warp = list(make_warps(backend="native"))[3]
    torch.testing.assert_close(between.render(warp), anew.render(warp), rtol=1e-4, atol=1e-5)
