import pytest
import torch

from stylecinegan import StyleCineGAN, Warping
from stylecinegan.benchmarks.released_procedure import ReleasedProcedure
from stylecinegan.benchmarks.rendering import random_inversion, render_candidates
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.motion.controls.controls import directed_motion, normalize_speed

NUM_FRAMES = 6


@pytest.fixture(scope="module")
def model():
    """A 512 generator (layers 10 to 16) with random weights and noise."""
    torch.manual_seed(0)
    generator = Generator(512, 8, 1, channel_base=1024, channel_max=8)
    for conv in generator.convs.values():
        conv.noise_strength.data.fill_(0.1)
    encoder = FeatureStyleEncoder(16, 8, generator.channels[64], (4,) * 5, (1,) * 4, 4, 1)
    return StyleCineGAN(generator, encoder).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def scene():
    """A photo, its mask and a fast motion, 6 frames of which reach 18 of 128 pixels."""
    drawn = draw_landscape(128, 128)
    motion = directed_motion("down-right", drawn.mask) * drawn.mask
    return drawn.image, drawn.mask, normalize_speed(motion, 12.0)


def frames_of_both(model, scene, sampling):
    photo, mask, motion = scene
    inversion = random_inversion(model, photo)
    released = ReleasedProcedure(
        model.generator,
        inversion.w_plus,
        inversion.features[FEATURE_LAYER],
        photo,
        mask,
        motion * mask,
        NUM_FRAMES,
        sampling=sampling,
    )
    warping = Warping.of_the_paper(
        warp_layers=(11, 14, 16),
        first_rgb_layer=12,
        use_folding=False,
        sampling=sampling,
        period=NUM_FRAMES - 1,
    )
    loop = model.animate(
        photo,
        NUM_FRAMES,
        motion=motion,
        mask=mask,
        speed=None,
        warping=warping,
        inversion=inversion,
    )
    return [released.render(frame) for frame in range(NUM_FRAMES)], list(loop.frames)


def test_the_released_procedure_makes_the_frames_of_our_warping_of_its_kind(model, scene):
    released, ours = frames_of_both(model, scene, "bilinear")
    assert (released[2] - released[0]).abs().max() > 0.1  # something moves
    for expected, actual in zip(released, ours, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


def test_rounded_sampling_differs_only_where_a_position_lies_between_two_pixels(model, scene):
    released, ours = frames_of_both(model, scene, "nearest")
    for expected, actual in zip(released, ours, strict=True):
        assert ((actual - expected).abs() < 1e-3).float().mean() > 0.98


def test_the_first_and_the_last_frame_are_the_same_picture(model, scene):
    released, _ = frames_of_both(model, scene, "nearest")
    torch.testing.assert_close(released[0], released[-1])


def test_all_rendering_candidates_run_and_fast_ones_render_whole_loops(model, scene):
    candidates = render_candidates(model, *scene, 3)
    assert [c.units for c in candidates] == [1, 1, 1, 1, 3, 3]
    in_pytorch, compiled = (candidates[i].run() for i in (0, 1))
    torch.testing.assert_close(in_pytorch, compiled, rtol=1e-3, atol=1e-3)
    unfolded, reference = (candidates[i].run() for i in (2, 3))
    torch.testing.assert_close(unfolded, reference, rtol=1e-4, atol=1e-4)
    for candidate in candidates[4:]:
        candidate.run()
