import pytest
import torch
import torch.nn.functional as F

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.errors import InputError
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.matting import matte, moving_threshold
from stylecinegan.mask.segmentation import (
    combine,
    find_dips,
    find_falling,
    find_water,
    segment,
)


def sky_with_pole(thing, sky, size=512, width=6, background=None):
    """A photo whose lower quarter is ground, with a pole that a coarse probability misses."""
    photo = torch.full((1, 3, size, size), sky)
    if background is not None:
        photo += background
    ground = slice(3 * size // 4, None)
    photo[:, :, ground] = thing
    left = size // 2 - width // 2
    photo[:, :, size // 4 :, left : left + width] = thing
    probability = torch.ones(1, 1, size, size)
    probability[:, :, ground] = 0.0
    probability[:, :, size // 4 :, left : left + width] = 0.0
    coarse = F.interpolate(probability, (size // 4, size // 4), mode="area")
    return photo, coarse, left + width // 2


@pytest.mark.parametrize(("thing", "sky"), [(-0.8, 0.5), (0.9, -0.3)], ids=["dark", "bright"])
def test_a_thin_pole_before_the_sky_is_static_and_the_sky_beside_it_moves(thing, sky):
    photo, probability, middle = sky_with_pole(thing, sky)
    mask = matte(probability, photo)
    assert mask[0, 0, 200:500, middle].max() < 0.1
    assert mask[0, 0, 20:370, middle - 20].min() > 0.9
    assert mask[0, 0, 20:370, middle + 20].min() > 0.9
    assert mask[0, 0, 400:, :].max() < 0.1


def test_what_enters_from_the_border_is_static_to_the_border():
    photo, probability, _ = sky_with_pole(-0.8, 0.5)
    photo, probability = photo.flip(2), probability.flip(2)  # the pole hangs from above
    mask = matte(probability, photo)
    assert mask[0, 0, :300, 256].max() < 0.1


def test_a_photo_gets_the_same_mask_at_another_size():
    photo, probability, _ = sky_with_pole(-0.8, 0.5)
    small = matte(probability, photo)
    large = matte(probability, F.interpolate(photo, scale_factor=2.0, mode="nearest"))
    assert (F.interpolate(large, (512, 512), mode="area") - small).abs().mean() < 0.01


def test_a_wire_that_the_probability_hardly_shows_is_found_by_its_colour():
    photo, probability, middle = sky_with_pole(-0.8, 0.5, width=3)
    seen = probability.clone()
    seen[:, :, :96] = probability[:, :, :96].clamp(min=0.85)  # taken for sky above the ground
    mask = matte(seen, photo)
    assert mask[0, 0, 140:370, middle].max() < 0.25
    assert mask[0, 0, 140:370, middle - 15].min() > 0.9


def river(size=512):
    """A bank above textured water, and the probability of a network that knows both."""
    generator = torch.Generator().manual_seed(0)
    waves = torch.rand(1, 1, size // 8, size // 4, generator=generator)
    waves = F.interpolate(waves, (size, size), mode="bilinear")
    photo = -0.5 + 0.4 * waves.expand(-1, 3, -1, -1).clone()
    photo[:, :, : size // 4] = 0.2
    probability = torch.full((1, 1, size, size), 0.97)
    probability[:, :, : size // 4] = 0.02
    return photo, probability


def test_a_railing_before_textured_water_is_static_and_the_waves_move():
    photo, probability = river()
    photo[:, :, 300:320] = 0.9
    probability[:, :, 295:325] = 0.8  # the network half sees it
    mask = matte(F.interpolate(probability, (128, 128), mode="area"), photo, caution=0.4)
    assert mask[0, 0, 303:317].max() < 0.1
    assert mask[0, 0, 150:280].gt(0.5).float().mean() > 0.99
    assert mask[0, 0, 345:].gt(0.5).float().mean() > 0.99


def test_glitter_and_reflections_move_with_the_water():
    photo, probability = river()
    photo[:, :, 128:250, 200:260] = -0.85  # a dark tower's reflection
    generator = torch.Generator().manual_seed(1)
    glitter = torch.rand(512, 512, generator=generator) > 0.98
    glitter[:260] = False
    photo[:, :, glitter] = 1.0
    mask = matte(F.interpolate(probability, (128, 128), mode="area"), photo)
    assert mask[0, 0, 150:250].gt(0.5).float().mean() > 0.99
    assert mask[0, 0, 260:].gt(0.5).float().mean() > 0.99


def test_a_doubtful_cloud_inside_the_sky_moves_with_it():
    photo, probability, _ = sky_with_pole(-0.8, 0.3)
    grid = torch.linspace(-1.0, 1.0, 120)
    cloud = (1.0 - grid[:, None] ** 2 - grid**2).clamp(min=0.0)
    photo[:, :, 60:180, 60:180] += 0.6 * cloud
    probability[:, :, 15:45, 15:45] = 0.7
    assert matte(probability, photo)[0, 0, 50:190, 50:190].min() > 0.9


@pytest.mark.parametrize(
    ("size", "num_classes"), [((1, 1), 1), ((3, 40), 2), ((200, 31), 1), ((97, 300), 3)]
)
def test_any_size_and_number_of_classes_gives_a_mask_of_the_photos_size(size, num_classes):
    photo = torch.rand(1, 3, *size) * 2.0 - 1.0
    probability = torch.rand(1, num_classes + 1, 7, 9).softmax(dim=1)[:, :num_classes]
    mask = matte(probability, photo)
    assert mask.shape == (1, 1, *size)
    assert mask.min() >= 0.0
    assert mask.max() <= 1.0


def test_kinds_that_do_not_meet_are_matted_as_their_sum_is():
    photo = torch.full((1, 3, 200, 200), 0.5)
    photo[:, :, 80:120] = -0.7
    photo[:, :, 120:] = -0.1
    kinds = torch.zeros(1, 2, 50, 50)
    kinds[:, 0, :20] = 1.0
    kinds[:, 1, 30:] = 1.0
    mask = matte(kinds, photo)
    assert mask[0, 0, :75].min() == 1.0
    assert mask[0, 0, 80:120].max() == 0.0
    assert mask[0, 0, 125:].min() == 1.0
    assert torch.equal(matte(kinds.sum(dim=1, keepdim=True), photo) > 0.5, mask > 0.5)


def test_more_caution_never_moves_more():
    torch.manual_seed(0)
    probability = F.interpolate(torch.rand(1, 1, 16, 24), (96, 144), mode="bicubic").clamp(0, 1)
    photo = torch.rand(1, 3, 96, 144) * 2.0 - 1.0
    moving = [(matte(probability, photo, caution=c) > 0.5).float().mean() for c in (0, 0.5, 1)]
    assert moving[0] > moving[1] > moving[2]


def test_thresholds_are_those_of_least_expected_cost():
    assert moving_threshold(0) == 0.5  # both errors cost the same
    assert moving_threshold(0.5) == 0.75  # a static thing that moves costs three times as much
    assert moving_threshold(1) < 1.0
    for wrong in (-0.1, 1.1, float("nan"), "much", True):
        with pytest.raises(InputError, match="mask_caution must be a number in"):
            moving_threshold(wrong)


def test_shapes_that_are_no_photo_and_probability_are_refused():
    with pytest.raises(InputError, match="a photo must be"):
        matte(torch.zeros(1, 1, 8, 8), torch.zeros(3, 8, 8))
    with pytest.raises(InputError, match="a probability must be"):
        matte(torch.zeros(2, 1, 8, 8), torch.zeros(1, 3, 8, 8))


def test_probabilities_of_sky_and_water_are_combined_by_the_formula():
    segmented = torch.tensor([0.4, 0.2, 0.4]).view(1, 3, 1, 1)  # half of what is not sky is water
    # Logits of 1.386, a body of water, and of 0.4055 and 0.8954, not above 0.43 after the offset.
    cases = ((0.8, 0.9979), (0.6, 0.1446), (0.71, 0.5))
    for water, given_no_sky in cases:
        expected = 0.8 * given_no_sky
        known = torch.tensor([1.0 - water, 0.0, water]).view(1, 3, 1, 1)
        classes = PixelClasses(known, known.argmax(dim=1, keepdim=True), known)
        combined = combine(classes, segmented)
        wanted = torch.tensor([0.8 - expected, 0.2, expected])
        torch.testing.assert_close(combined.probabilities.flatten(), wanted, atol=1e-4, rtol=0.0)
        assert combined.vote.item() == int(wanted.argmax())


def test_a_body_of_water_includes_its_doubtful_parts_if_most_of_it_is_certain():
    logit = torch.full((2, 1, 32, 32), -1.0)
    logit[:, :, 8:24, 8:24] = 0.0
    logit[0, :, 8:24, 8:18] = 1.0  # more than half
    logit[1, :, 8:24, 8:14] = 1.0
    found = find_water(logit)
    assert bool(found[0, 0, 8:24, 8:24].all())
    assert int(found[0].sum()) == 256
    assert not found[1].any()
    speck = torch.full((1, 1, 32, 32), -1.0)
    speck[0, 0, 4, 4:6] = 1.0
    assert not find_water(speck).any()


def test_a_post_in_calm_water_is_a_dip_but_waves_and_wide_things_are_not():
    logit = torch.full((3, 1, 96, 96), 2.0)
    logit[0, 0, 20:80, 46:50] = 1.6
    logit[1, 0, :, ::4] = logit[1, 0, :, 1::4] = 1.6  # waves as deep as the post
    logit[2, 0, 20:80, 30:70] = 1.6  # wider than the window
    everywhere = torch.ones_like(logit, dtype=torch.bool)
    found = find_dips(logit, everywhere, window=31, least=0.3, factor=3.0)
    assert torch.equal(found[0], logit[0] < 2.0)
    assert not found[1:].any()
    assert not find_dips(logit, ~everywhere, window=31, least=0.3, factor=3.0).any()


def test_things_before_water_are_less_certainly_water():
    known = torch.zeros(1, 3, 128, 128)
    known[:, 2] = 0.98
    known[:, 2, :, 80:120] = 0.6  # too wide for a fine dip: the network's logit has none here
    known[:, 0] = 1.0 - known[:, 2]
    classes = PixelClasses(known, known.argmax(dim=1, keepdim=True), known)
    water = torch.full((1, 1, 128, 128), 0.9)
    water[..., 20:80, 46:50] = 0.8
    segmented = torch.cat([1.0 - water, torch.zeros_like(water), water], dim=1)
    combined = combine(classes, segmented).probabilities[:, 2:]
    torch.testing.assert_close(combined[water < 0.85], torch.full((240,), 0.95))
    # sigmoid(4 (logit 0.6 + 0.4 logit 0.9 - 0.85 + 0.1))
    torch.testing.assert_close(
        combined[..., 80:120], torch.full((1, 1, 128, 40), 0.8944), atol=1e-3, rtol=0
    )
    assert combined[..., 30, :40].min() > 0.999


def test_the_segmentation_networks_opinion_on_water_counts():
    known = torch.tensor([0.25, 0.0, 0.75]).view(1, 3, 1, 1)
    classes = PixelClasses(known, known.argmax(dim=1, keepdim=True), known)
    votes = [
        combine(classes, torch.tensor([1.0 - n, 0.0, n]).view(1, 3, 1, 1)).vote.item()
        for n in (0.1, 0.9)
    ]
    assert votes == [0, 2]


@pytest.mark.parametrize(
    ("water", "falling", "expected"),
    [(0.5, 0.6, 0.9), (0.5, 0.3, 0.01), (0.1, 0.6, 0.0)],
    ids=["a fall that is half known", "no fall", "a road that looks like a fall"],
)
def test_what_falls_is_water_unless_the_ensemble_speaks_against_it(water, falling, expected):
    known = torch.tensor([1.0 - water, 0.0, water]).view(1, 3, 1, 1)
    classes = PixelClasses(known, known.argmax(dim=1, keepdim=True), known)
    combined = combine(classes, torch.tensor([0.9 - falling, 0.1, 0.0, falling]).view(1, 4, 1, 1))
    wanted = torch.tensor([0.9 - expected, 0.1, expected])
    torch.testing.assert_close(combined.probabilities.flatten(), wanted, atol=1e-3, rtol=0.0)
    assert combined.falling is not None
    assert combined.falling.item() == pytest.approx(falling)


def test_a_fall_reaches_from_its_certain_middle_to_its_doubtful_edge():
    probability = torch.full((2, 1, 8, 8), 0.1)
    probability[:, :, 2:6, 2:6] = 0.3
    probability[1, :, 4, 4] = 0.6
    falling = find_falling(probability)
    assert not falling[0].any()
    assert bool(falling[1, 0, 2:6, 2:6].all())
    assert int(falling[1].sum()) == 16


def test_a_photo_is_segmented_as_a_square_and_a_long_panorama_stays_long():
    torch.manual_seed(0)
    network = U2Net(3).eval()
    found = segment(network, torch.rand(1, 3, 60, 90) * 2.0 - 1.0)
    assert found.shape == (1, 3, 384, 384)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1, 384, 384))
    assert segment(network, torch.zeros(1, 3, 50, 160)).shape == (1, 3, 384, 768)
