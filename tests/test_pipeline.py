import itertools

import pytest
import torch
import torch.nn.functional as F

from stylecinegan import StyleCineGAN, Warping
from stylecinegan.appearance import StyleChange, styled_loop
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.metrics.loop_quality import LoopQuality
from stylecinegan.motion.controls.controls import DIRECTIONS, directed_motion, normalize_speed
from stylecinegan.motion.generator import MotionGenerator


def tiny_model(resolution=256, **settings):
    torch.manual_seed(0)
    generator = Generator(resolution, 8, 1, channel_base=2048, channel_max=8, first_rgb_layer=10)
    encoder = FeatureStyleEncoder(
        generator.num_styles, 8, generator.channels[64], (4, 4, 4, 4, 4), (1, 1, 1, 1), 4, 1
    )
    return StyleCineGAN(generator, encoder, **settings).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def scene():
    drawn = draw_landscape(90, 150, seed=2)
    return drawn.image, drawn.mask, directed_motion("right", drawn.mask)


@pytest.mark.parametrize(
    "warping",
    [
        Warping(),
        Warping.of_the_paper(),
        Warping.of_the_paper(use_folding=False),
        Warping.of_the_paper(warp_layers=(11, 14), first_rgb_layer=12),
        Warping.of_the_paper(direction="backward"),
        Warping.of_the_paper(warp_layers=()),
        Warping.of_the_paper(use_planar_splatting=True, use_replicated_borders=True),
    ],
    ids=["generate", "paper", "unfolded", "release", "backward", "image", "clean"],
)
def test_static_places_equal_the_photo_and_the_rest_moves(model, scene, warping):
    photo, mask, motion = scene
    cinemagraph = model.animate(photo, 5, mask=mask, motion=motion, speed=10.0, warping=warping)
    frames = list(cinemagraph.frames)
    assert len(frames) == 5
    static = (mask == 0).expand_as(photo)
    for frame in frames:
        assert frame.shape == photo.shape
        assert torch.equal(frame[static], photo[static])
    assert (frames[2] - frames[0])[~static].abs().mean() > 1e-3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_loop_closes_and_shows_no_frame_twice(model, seed):
    drawn = draw_landscape(96, 128, seed)
    motion = directed_motion("left", drawn.mask)
    quality = LoopQuality(drawn.mask)
    frames = model.animate(drawn.image, 30, mask=drawn.mask, motion=motion).frames
    kept = [quality.add(frame) for frame in frames]
    assert quality.result()["closing_step_ratio"] <= 1.05
    for a, b in itertools.combinations(kept, 2):
        assert not torch.equal(a, b)


def test_the_released_period_shows_frame_0_twice(model, scene):
    photo, mask, motion = scene
    warping = Warping.of_the_paper(period=5)
    frames = list(model.animate(photo, 6, mask=mask, motion=motion, warping=warping).frames)
    torch.testing.assert_close(frames[5], frames[0], rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (65, 257), (300, 75), (64, 256)])
def test_frames_and_inversion_have_the_size_of_the_photo(model, size):
    drawn = draw_landscape(*size, seed=3)
    cinemagraph = model.animate(
        drawn.image, 2, mask=drawn.mask, motion=torch.ones(1, 2, 20, 30), speed=2.0
    )
    assert [frame.shape[2:] for frame in cinemagraph.frames] == [size, size]
    assert cinemagraph.inversion.image.shape[2:] == size


def test_mask_and_motion_are_resized_to_the_photo(model, scene):
    photo, mask, _ = scene  # 90 x 150
    small_mask = F.interpolate(mask, (40, 60), mode="area")
    wide_motion = torch.tensor([2.0, 0.5]).view(1, 2, 1, 1).expand(1, 2, 30, 300)
    arguments = {"mask": small_mask, "motion": wide_motion, "speed": None}
    cinemagraph = model.animate(photo, 2, **arguments)
    assert (cinemagraph.mask - mask).abs().mean() < 0.03  # its edges are soft now
    # A vector of two pixels of a map twice as wide is one of the photo.
    expected = torch.cat([1.0 * cinemagraph.mask, 1.5 * cinemagraph.mask], dim=1)
    torch.testing.assert_close(cinemagraph.motion, expected)
    assert [frame.shape for frame in cinemagraph.frames] == [photo.shape] * 2


def test_content_that_flows_in_is_the_mirrored_photo(model):
    photo = draw_landscape(64, 96, seed=4).image
    everything = torch.ones(1, 1, 64, 96)
    motion = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 64, 96)
    warping = Warping(use_contrast_preservation=False)
    cinemagraph = model.animate(
        photo, 8, mask=everything, motion=motion, speed=None, warping=warping
    )
    # In the middle of the loop, half comes from 16 pixels to the left, half from the right.
    mirrored = F.pad(photo, (16, 16, 0, 0), mode="reflect")
    expected = (mirrored[..., :96] + mirrored[..., 32:]) / 2
    difference = (list(cinemagraph.frames)[4] - expected).abs()
    assert difference[..., 20:-20].max() < 1e-5
    assert difference[..., :16].mean() < 0.005
    assert difference[..., -16:].mean() < 0.005


def test_frames_are_the_same_when_they_are_read_again(model, scene):
    photo, mask, motion = scene
    cinemagraph = model.animate(photo, 3, mask=mask, motion=motion)
    for first, again in zip(cinemagraph.frames, cinemagraph.frames, strict=True):
        assert torch.equal(first, again)


@pytest.mark.parametrize("style", [None, StyleChange(torch.ones(1, 14, 8), 0.5)])
def test_frames_are_the_same_bits_however_many_are_rendered_at_once(
    model, scene, style, monkeypatch
):
    photo, mask, motion = scene
    results = []
    for num_at_once in (1, 3):
        monkeypatch.setattr(styled_loop, "choose_num_at_once", lambda photo, n=num_at_once: n)
        cinemagraph = model.animate(photo, 9, mask=mask, motion=motion, speed=8.0, style=style)
        results.append(list(cinemagraph.frames))
    for alone, at_once in zip(*results, strict=True):
        assert torch.equal(alone, at_once)


def test_a_large_photo_is_inverted_at_a_smaller_size_and_animated_at_its_own(scene):
    photo, mask, motion = scene
    model = tiny_model(inversion_side=64)
    cinemagraph = model.animate(photo, 2, mask=mask, motion=motion)
    assert max(cinemagraph.inversion.image.shape[2:]) == 64
    assert [frame.shape for frame in cinemagraph.frames] == [photo.shape] * 2


def test_the_encoder_of_a_generator_of_1024_pixels_gets_the_photo_at_a_quarter_of_its_size():
    model = tiny_model(1024)
    inversion = model.invert(torch.zeros(1, 3, 128, 192))
    assert inversion.features[10].shape[2:] == (8, 12)  # a quarter of the encoder's input
    assert sorted(inversion.features) == list(range(10, 19))
    assert inversion.image.shape == (1, 3, 128, 192)


def test_a_seed_always_gives_the_same_sample_and_another_seed_another(model):
    sample = model.sample(3)
    assert sample.shape == (1, 3, 256, 256)
    assert sample.abs().max() <= 1.0
    assert torch.equal(sample, model.sample(3))
    assert not torch.equal(sample, model.sample(4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_frames": 1}, "num_frames must be at least 2"),
        ({"mask": torch.zeros(1, 1, 8, 8)}, "mask is empty"),
        ({"mask": torch.ones(1, 3, 8, 8)}, r"must be \[1, 1, H, W\], got \[1, 3, 8, 8\]"),
        ({"motion": torch.full((1, 2, 8, 8), float("nan"))}, "not finite"),
        ({"motion": torch.ones(1, 3, 8, 8)}, r"must be \[1, 2, H, W\], got \[1, 3, 8, 8\]"),
        ({"image": torch.zeros(3, 8, 8)}, r"must be \[1, 3, H, W\], got \[3, 8, 8\]"),
        ({"warping": Warping(warp_layers=(11, 14))}, r"only even layers .* got \[11\]"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_reason(model, scene, changes, message):
    photo, mask, motion = scene
    arguments = {"image": photo, "num_frames": 3, "mask": mask, "motion": motion, **changes}
    with pytest.raises(InputError, match=message):
        model.animate(**arguments)


@pytest.mark.parametrize("direction", sorted(DIRECTIONS))
def test_the_motion_of_a_direction_points_there(direction):
    motion = directed_motion(direction, torch.ones(1, 1, 32, 32))
    x, y = motion[0, :, 0, 0].tolist()
    assert (x > 0) == ("right" in direction)
    assert (x < 0) == ("left" in direction)
    assert (y > 0) == ("down" in direction)
    assert (y < 0) == ("up" in direction)


def test_the_motion_of_a_direction_is_slower_towards_the_horizon():
    mask = torch.ones(1, 1, 60, 20)
    mask[:, :, 25:35] = 0.0
    speed = directed_motion("left", mask)[0, 0, :, 0].abs()
    assert (speed[:24] - speed[1:25]).min() > 0  # sky: slower further down
    assert (speed[36:] - speed[35:-1]).min() > 0  # water: faster further down
    assert speed.max() == 1.0
    assert speed[24] == pytest.approx(0.3)


class Drifting(MotionGenerator):
    """Answers with one pixel to the right everywhere."""

    def forward(self, photo):
        return torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, *photo.shape[2:])


@pytest.mark.parametrize(("in_channels", "share"), [(3, 1.0), (5, 0.3)])
def test_predicted_water_is_slow_at_its_horizon_unless_the_weights_are_released_ones(
    in_channels, share
):
    model = tiny_model(motion_generator=Drifting(in_channels, 4, 1, 1, side=64))
    water = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    classes = PixelClasses(water, water.argmax(dim=1, keepdim=True), water[:, 2:])
    speed = model.predict_motion(torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64), classes)[0, 0]
    assert speed[0].max() == pytest.approx(share, abs=0.01)
    assert speed[63].min() == pytest.approx(1.0, abs=0.01)


def test_the_message_about_an_unknown_direction_lists_the_known_ones():
    with pytest.raises(InputError, match=r"right, down-right, .* got sideways"):
        directed_motion("sideways", torch.ones(1, 1, 4, 4))


def test_speed_is_that_of_the_fastest_pixel_in_a_picture_of_512_pixels():
    motion = torch.zeros(1, 2, 256, 128)
    motion[0, :, 5, 5] = torch.tensor([3.0, 4.0])
    assert normalize_speed(motion, 1.0).norm(dim=1).max() == pytest.approx(0.5)
    assert normalize_speed(motion * 0, 1.0).abs().max() == 0
