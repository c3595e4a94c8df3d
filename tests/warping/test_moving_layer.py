import sys
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.metrics.loop_quality import LoopQuality
from stylecinegan.warping.displacement import integrate_motion, reflect
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.photo_layer.levels import (
    band_pass,
    differences,
    fill_static,
    moving_core,
    sum_pyramid,
)
from stylecinegan.warping.photo_layer.moving_layer import MovingLayer
from tests.processes import run_code

SIZE = (96, 160)


@pytest.fixture(scope="module")
def scene():
    """A drawn landscape with grain, and levels that reconstruct it badly."""
    drawn = draw_landscape(*SIZE, seed=1)
    torch.manual_seed(0)
    photo = (drawn.image + 0.15 * torch.randn(1, 3, *SIZE)).clamp(-1.0, 1.0)
    levels = {
        10: F.avg_pool2d(photo, 4) * 0.8,
        12: torch.full((1, 3, SIZE[0] // 2, SIZE[1] // 2), 0.05),
        14: 0.1 * torch.randn(1, 3, *SIZE),
    }
    return levels, photo, drawn.mask


def frames(layer, mask, num_frames=24, speed=1.0):
    motion = torch.tensor([speed, 0.0]).view(1, 2, 1, 1) * mask
    border = (0, 32)
    pairs = integrate_motion(reflect(motion, border), num_frames)
    return [layer.render(FrameWarp(*pair, t / num_frames, border)) for t, pair in enumerate(pairs)]


def test_detail_transfer_makes_frame_0_the_photo(scene):
    levels, photo, mask = scene
    first = frames(MovingLayer(levels, photo, mask), mask)[0]
    torch.testing.assert_close(first, photo, rtol=0.0, atol=1e-5)


def test_without_detail_transfer_the_still_layer_is_the_generators_picture(scene):
    levels, photo, mask = scene
    settings = dict.fromkeys(("use_moving_content_only", "use_contrast_preservation"), False)
    with_detail = MovingLayer(levels, photo, mask, **settings)
    without = MovingLayer(levels, photo, mask, use_detail_transfer=False, **settings)
    assert torch.equal(sum_pyramid(with_detail.levels).round(decimals=4), photo.round(decimals=4))
    assert (without.levels[-1] - with_detail.levels[-1]).abs().mean() > 0.05


def test_the_glow_above_a_ridge_does_not_jump_at_frame_0():
    height, width = SIZE
    sky = torch.linspace(0.0, 1.0, height // 2).pow(6)  # brightest at the ridge
    photo = torch.full((1, 3, height, width), -0.8)
    photo[:, :, : height // 2] = sky.view(1, 1, -1, 1) - 0.3
    mask = torch.zeros(1, 1, height, width)
    mask[:, :, : height // 2] = 1.0
    motion = torch.tensor([0.3, 0.02]).view(1, 2, 1, 1) * mask
    layer = MovingLayer({}, photo, mask)
    pairs = integrate_motion(reflect(motion, (0, 32)), 60)
    loop = [layer.render(FrameWarp(*pair, t / 60, (0, 32))) for t, pair in enumerate(pairs)]
    steps = [float((b - a).abs().mean()) for a, b in pairwise(loop)]
    assert steps[0] < 1.5 * max(steps[1:4])


@pytest.mark.parametrize("use_detail_transfer", [True, False])
@pytest.mark.parametrize("use_moving_content_only", [True, False])
@pytest.mark.parametrize("use_contrast_preservation", [True, False])
def test_where_the_mask_is_0_every_frame_equals_the_photo_bit_for_bit(
    scene, use_detail_transfer, use_moving_content_only, use_contrast_preservation
):
    levels, photo, mask = scene
    layer = MovingLayer(
        levels,
        photo,
        mask,
        use_detail_transfer=use_detail_transfer,
        use_moving_content_only=use_moving_content_only,
        use_contrast_preservation=use_contrast_preservation,
    )
    static = (mask == 0).expand_as(photo)
    for frame in frames(layer, mask, num_frames=4):
        assert torch.equal(frame[static], photo[static])


def test_moving_content_only_keeps_the_colour_of_static_things_out():
    """A red wall between grey sky: red must not smear, whatever the levels mix."""
    mask = torch.ones(1, 1, 64, 96)
    mask[..., 40:56] = 0.0
    photo = torch.zeros(1, 3, 64, 96)
    photo[:, 0] += 1.0 - mask[:, 0]
    levels = {10: F.avg_pool2d(photo, 4), 12: F.avg_pool2d(photo, 2) * 0, 14: photo * 0}

    def redness(use_moving_content_only):
        layer = MovingLayer(levels, photo, mask, use_moving_content_only=use_moving_content_only)
        moved = frames(layer, mask, num_frames=12)
        return max(float((frame[:, 0] * mask[:, 0]).abs().max()) for frame in moved)

    assert redness(True) < 1e-3
    assert redness(False) > 0.1


def test_contrast_preservation_keeps_grain_at_mid_loop(scene):
    levels, photo, mask = scene

    def detail(use_contrast_preservation):
        layer = MovingLayer(
            levels, photo, mask, use_contrast_preservation=use_contrast_preservation
        )
        quality = LoopQuality(mask)
        for frame in frames(layer, mask):
            quality.add(frame)
        return quality.result()

    plain, preserved = detail(False), detail(True)
    # Averaging two unrelated textures keeps 1/sqrt(2) of their contrast; that is what comes back.
    assert preserved["detail_kept"] / plain["detail_kept"] == pytest.approx(2**0.5, rel=0.1)
    assert preserved["step_ratio"] < plain["step_ratio"]


def test_contrast_is_not_raised_where_nothing_moves(scene):
    levels, photo, mask = scene
    for frame in frames(MovingLayer(levels, photo, mask), mask, num_frames=4, speed=0.0):
        torch.testing.assert_close(frame, photo, rtol=0.0, atol=1e-5)


def test_a_photo_larger_than_the_inversion_is_rendered_at_its_own_size(scene):
    levels, photo, mask = scene
    large = {layer: level[:, :, ::2, ::2] for layer, level in levels.items()}
    for use_detail_transfer in (True, False):
        layer = MovingLayer(large, photo, mask, use_detail_transfer=use_detail_transfer)
        assert frames(layer, mask, num_frames=2)[1].shape == photo.shape


def test_pyramids_add_up_and_their_bands_have_no_mean():
    image = torch.rand(1, 3, 64, 96)
    levels = band_pass(image, 4)
    assert [tuple(level.shape[2:]) for level in levels] == [(8, 12), (16, 24), (32, 48), (64, 96)]
    torch.testing.assert_close(sum_pyramid(levels), image)
    for level in levels[1:]:
        assert level.mean().abs() < 0.01 * level.abs().mean() + 1e-3


def test_differences_undo_the_partial_sums():
    images = [torch.rand(1, 3, 8, 8), torch.rand(1, 3, 16, 16)]
    torch.testing.assert_close(sum_pyramid(differences(images)), images[-1])


def test_filling_continues_the_moving_content_and_keeps_it():
    core = torch.zeros(1, 1, 32, 48)
    core[..., :20] = 1.0
    image = torch.full((1, 3, 32, 48), -1.0)
    image[..., :20] = 0.5
    filled = fill_static(image, core)
    torch.testing.assert_close(filled, torch.full_like(filled, 0.5))


def test_the_core_leaves_out_the_soft_edge_but_never_everything():
    mask = torch.zeros(1, 1, 200, 300)
    mask[..., 100:200, :] = 1.0
    mask[..., 99, :] = 0.5
    core = moving_core(mask)
    assert core[0, 0, :101].sum() == 0  # eroded by round(0.004 * 300) = 1
    assert core[0, 0, 101:].min() == 1
    thin = torch.zeros(1, 1, 200, 300)
    thin[..., 50, :] = 1.0
    assert torch.equal(moving_core(thin), thin)


@pytest.mark.skipif(sys.platform != "linux", reason="no mark of the highest memory")
def test_a_frame_takes_the_memory_of_a_few_photos():
    code = """
import torch
from stylecinegan.benchmarks.memory import peak_of
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.photo_layer.moving_layer import MovingLayer

def run(height, width):
    photo = torch.rand(1, 3, height, width) * 2.0 - 1.0
    mask = torch.ones(1, 1, height, width)
    mask[..., height // 2 :, :] = 0.0
    still = torch.zeros(1, 2, 96, 128)
    layer = MovingLayer({}, photo, mask)
    layer.render(FrameWarp(still, still, 0.0))
    return photo

run(96, 128)  # compiles, starts the threads
photo = run(1536, 2048)
size = photo.numel() * 4
del photo
print(peak_of(lambda: run(1536, 2048), torch.device("cpu")) / size)
"""
    # Held are the photo, its bands twice, the static part and the frame; copies of a moment add to
    # that. It was 11.8 with copies of the whole photo in filling, packing and measuring.
    assert float(run_code(code).stdout) < 10.8
