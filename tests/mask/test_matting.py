import pytest
import torch
import torch.nn.functional as F

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.errors import InputError
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.matting import matte, moving_threshold
from stylecinegan.mask.segmentation import combine, segment


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
        matte(torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 8, 8))


def test_probabilities_of_sky_and_water_are_combined_by_the_formula():
    known = torch.tensor([0.1, 0.1, 0.8]).view(1, 3, 1, 1)
    doubtful = torch.tensor([0.45, 0.0, 0.55]).view(1, 3, 1, 1)
    segmented = torch.tensor([0.5, 0.25, 0.25]).view(1, 3, 1, 1)
    for probabilities, expected in ((known, [0.15, 0.25, 0.6]), (doubtful, [0.75, 0.25, 0.0])):
        vote = probabilities.argmax(dim=1, keepdim=True)
        combined = combine(PixelClasses(probabilities, vote, probabilities), segmented)
        torch.testing.assert_close(combined.probabilities.flatten(), torch.tensor(expected))
        assert combined.vote.item() == max(range(3), key=lambda k: expected[k])


def test_segmentation_does_not_depend_on_which_side_is_left_and_keeps_long_panoramas_long():
    torch.manual_seed(0)
    network = U2Net(3).eval()
    photo = torch.rand(1, 3, 60, 90) * 2.0 - 1.0
    found = segment(network, photo)
    assert found.shape == (1, 3, 384, 384)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1, 384, 384))
    torch.testing.assert_close(segment(network, photo.flip(3)).flip(3), found, atol=1e-4, rtol=0.0)
    assert segment(network, torch.zeros(1, 3, 50, 160)).shape == (1, 3, 384, 768)
