import itertools

import pytest
import torch
import torch.nn.functional as F

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.warping.displacement import integrate_motion, reflect, resize_displacement
from stylecinegan.warping.feature_warping import WarpedGenerator
from stylecinegan.warping.frame_warp import FrameWarp, fill_holes
from tests.generator import published


@pytest.fixture(scope="module")
def still():
    """A 256 generator (layers 10 to 14) with random weights and noise, and its features."""
    torch.manual_seed(0)
    generator = Generator(256, 8, 1, channel_base=1024, channel_max=8).eval().requires_grad_(False)
    for conv in generator.convs.values():
        conv.noise_strength.fill_(0.1)
    w_plus = torch.randn(1, generator.num_styles, 8)
    d10 = torch.randn(1, generator.channels[64], 16, 24)
    return generator, generator.features(w_plus, start=(10, d10)), w_plus


def smooth_motion(height=32, width=48, scale=1.5):
    torch.manual_seed(1)
    coarse = torch.randn(1, 2, 4, 6) * scale
    return F.interpolate(coarse, (height, width), mode="bicubic")


def warps(motion, num_frames=6, border=(8, 8), **settings):
    motion = reflect(motion, border)
    for t, pair in enumerate(integrate_motion(motion, num_frames)):
        yield FrameWarp(*pair, t / num_frames, border, **settings)


@pytest.mark.parametrize(
    ("warp_layers", "first_rgb_layer"),
    [(None, 10), ((10, 12, 14), 12), ((11, 14), 12), ((10,), 10), ((12,), 10), ((10, 13), 10)],
)
@pytest.mark.parametrize(
    "filling",
    [
        {"use_hole_filling": True},
        {"use_hole_filling": False},
        {"use_planar_splatting": True},
    ],
    ids=["filled", "holes", "planes"],
)
def test_folded_equals_unfolded_holes_included(still, warp_layers, first_rgb_layer, filling):
    settings = {"warp_layers": warp_layers, "first_rgb_layer": first_rgb_layer}
    folded = WarpedGenerator(*still, **settings)
    unfolded = WarpedGenerator(*still, **settings, use_folding=False)
    tolerance = 3e-5 if "use_planar_splatting" in filling else 1e-5
    num_holes = 0
    for warp in warps(smooth_motion(scale=4.0), **filling):
        actual, expected = folded.render(warp), unfolded.render(warp)
        assert (actual - expected).abs().max() <= tolerance * expected.abs().max()
        num_holes += int((warp(torch.ones(1, 1, 256, 256))[1].sum(dim=1) == 0).sum())
    # A strong motion tears holes, except in planes.
    assert (num_holes > 0) == ("use_planar_splatting" not in filling)


@pytest.mark.parametrize("warp_layers", [None, (11, 14), (10,), ()])
def test_frame_0_is_the_still_picture(still, warp_layers):
    generator, features, w_plus = still
    warped = WarpedGenerator(*still, warp_layers=warp_layers)
    first = next(iter(warps(smooth_motion())))
    shown = {layer: f for layer, f in features.items() if layer in warped.rgb_layers}
    expected = generator.render(shown, w_plus)
    torch.testing.assert_close(warped.render(first), expected, rtol=1e-4, atol=1e-4)


def test_no_motion_leaves_every_frame_still(still):
    warped = WarpedGenerator(*still)
    frames = [warped.render(warp) for warp in warps(torch.zeros(1, 2, 32, 48))]
    for frame in frames[1:]:
        torch.testing.assert_close(frame, frames[0], rtol=1e-4, atol=1e-4)


def scatter(feature, displacement):
    """Sums of bilinear splatting by plain loops."""
    _, channels, height, width = feature.shape
    total = torch.zeros(channels + 1, height, width, dtype=torch.float64)
    for i, j in itertools.product(range(height), range(width)):
        x = j + float(displacement[0, 0, i, j])
        y = i + float(displacement[0, 1, i, j])
        left, top = int(x // 1), int(y // 1)
        for di, dj in itertools.product((0, 1), (0, 1)):
            weight = (1 - abs(x - left - dj)) * (1 - abs(y - top - di))
            if 0 <= top + di < height and 0 <= left + dj < width:
                total[:channels, top + di, left + dj] += weight * feature[0, :, i, j].double()
                total[channels, top + di, left + dj] += weight
    return total


def test_the_released_arrangement_follows_from_the_rule(tmp_path):
    """W = {11, 14}, RGB from 12 on, rounded sampling, period N - 1, explicit reflected padding."""
    state = published.random_state(256, 8, 1, dict.fromkeys((4, 8, 16, 32, 64, 128, 256), 4))
    state.update({k: v * 0 for k, v in state.items() if k.startswith("noises")})
    torch.save({"g_ema": state}, tmp_path / "generator.pt")
    generator = checkpoints.load_generator(tmp_path / "generator.pt").requires_grad_(False)
    w_plus = torch.randn(1, 14, 8)
    features = generator.features(w_plus, start=(10, torch.randn(1, 4, 4, 6)))
    motion = smooth_motion(8, 12, scale=0.6)
    border, num_frames, t = (4, 4), 5, 2

    pairs = integrate_motion(
        reflect(motion, border), num_frames, period=num_frames - 1, sampling="nearest"
    )
    pair = list(pairs)[t]
    progress = t / (num_frames - 1)
    warped = WarpedGenerator(generator, features, w_plus, warp_layers=(11, 14), first_rgb_layer=12)
    actual = warped.render(FrameWarp(*pair, progress, border, use_hole_filling=False))

    def warp(feature):
        rows, columns = (b * feature.shape[2] // 8 for b in border)
        padded = F.pad(feature, (columns, columns, rows, rows), mode="reflect")
        start, end = (resize_displacement(d, tuple(padded.shape[2:])) for d in pair)
        total = (1 - progress) * scatter(padded, start) + progress * scatter(padded, end)
        total = total[:, rows:-rows, columns:-columns]
        return (total[:-1] / total[-1:].clamp(min=1e-12)).float().unsqueeze(0)

    def rgb(index, x, layer):
        prefix = f"to_rgbs.{index}"
        y = published.modulated_conv(state, f"{prefix}.conv", x, w_plus[:, layer - 1], False)
        return y + state[f"{prefix}.bias"]

    d12 = published.modulated_conv(state, "convs.9.conv", warp(features[11]), w_plus[:, 10], True)
    d12 = published.activate(d12 + state["convs.9.activate.bias"].view(1, -1, 1, 1))
    expected = published.upsample(rgb(4, d12, 12)) + rgb(5, warp(features[14]), 14)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_backward_warping_samples_where_content_came_from():
    image = torch.arange(6.0).view(1, 1, 1, 6).expand(1, 1, 3, 6)
    shift = torch.zeros(1, 2, 3, 6)
    shift[:, 0] = -1.0
    warped, shares = FrameWarp(shift, shift, 0.25, direction="backward")(image)
    expected = torch.tensor([1.0, 0.0, 1.0, 2.0, 3.0, 4.0])  # reflected at the left edge
    torch.testing.assert_close(warped[0, 0, 0], expected, rtol=0.0, atol=1e-6)
    assert shares[0, :, 0, 0].tolist() == [0.75, 0.25]


def test_forward_and_backward_agree_on_a_shift_by_whole_pixels(still):
    shift = torch.zeros(1, 2, 64, 96)
    shift[:, 0] = 1.0
    image = torch.randn(1, 3, 64, 96)
    pairs = list(integrate_motion(reflect(shift, (0, 8)), 8))
    back = list(integrate_motion(reflect(-shift, (0, 8)), 8))
    forward, _ = FrameWarp(*pairs[3], 3 / 8, (0, 8))(image)
    backward, _ = FrameWarp(*back[3], 3 / 8, (0, 8), direction="backward")(image)
    torch.testing.assert_close(forward, backward, rtol=1e-4, atol=1e-4)


def test_holes_get_the_mean_of_their_reached_neighbours():
    blended = torch.zeros(1, 1, 9, 9)
    shares = torch.ones(1, 2, 9, 9)
    blended[0, 0, :, :4] = 2.0
    blended[0, 0, :, 5:] = 6.0
    shares[0, :, :, 4] = 0.0
    filled = fill_holes(blended, shares)
    assert filled[0, 0, 4, 4] == 4.0
    assert torch.equal(filled[0, 0, :, 5:], blended[0, 0, :, 5:])


def test_holes_without_neighbours_stay_empty_for_coarser_levels():
    shares = torch.zeros(1, 2, 20, 20)
    shares[..., 0] = 1.0
    filled = fill_holes(torch.ones(1, 1, 20, 20) * (shares[:, :1] > 0), shares)
    assert filled[0, 0, 5, 1:4].tolist() == [1.0, 1.0, 1.0]
    assert filled[0, 0, 5, 4:].abs().sum() == 0


@pytest.mark.parametrize("layers", [(9,), (10, 15)])
def test_layers_that_the_generator_lacks_are_refused(still, layers):
    with pytest.raises(InputError, match=r"layers in \[10, 14\], got"):
        WarpedGenerator(*still, warp_layers=layers)


def test_a_picture_without_any_level_is_refused(still):
    with pytest.raises(InputError, match="no to-RGB layer is left from layer 16 on"):
        WarpedGenerator(*still, first_rgb_layer=16)
