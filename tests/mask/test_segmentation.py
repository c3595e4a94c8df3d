import math

import pytest
import torch
import torch.nn.functional as F

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.segmentation import combine, replace_sky, segment


def logit(probability):
    return math.log(probability / (1.0 - probability))


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
        # The logit of one half is 0; those of improbable classes are limited.
        assert combined.evidence is not None
        wanted = torch.tensor([0.5 * logit(0.2) + 0.25 * logit(0.005), 0.5 * logit(water)])
        torch.testing.assert_close(combined.evidence.flatten(), wanted, atol=1e-4, rtol=0.0)


def test_holes_of_a_river_are_water_but_thin_things_in_them_are_not():
    known = torch.zeros(1, 3, 256, 256)
    known[:, 2] = 0.95
    known[:, 2, 50:150, 60:140] = 0.55  # glitter: logit -0.65
    known[:, 2, 180:220, 60:80] = 0.2  # a boat: logit -2.24
    known[:, 0] = 1.0 - known[:, 2]
    classes = PixelClasses(known, known.argmax(dim=1, keepdim=True), known)
    share = torch.full((1, 1, 256, 256), 0.5)
    share[..., 50:150, 70:74] = 0.3  # a post in the glitter
    segmented = torch.cat([1.0 - share, torch.zeros_like(share), share], dim=1)
    water = combine(classes, segmented).probabilities[0, 2]
    assert water[100, 110].item() == pytest.approx(0.9986, abs=1e-3)  # sigmoid(4 (2.3 - 0.65))
    assert water[100, 71] < 0.2  # sigmoid(4 (0.1 - 0.65 - 0.34))
    assert water[200, 70] < 0.01
    assert water[100, 10] > 0.999


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
    torch.testing.assert_close(combined[water < 0.85], torch.full((240,), 0.87))
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


def test_a_photo_is_segmented_as_a_square_and_a_long_panorama_stays_long():
    torch.manual_seed(0)
    network = U2Net(3).eval()
    found = segment(network, torch.rand(1, 3, 60, 90) * 2.0 - 1.0)
    assert found.shape == (1, 3, 384, 384)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1, 384, 384))
    assert segment(network, torch.zeros(1, 3, 50, 160)).shape == (1, 3, 384, 768)


def test_a_small_photo_is_enlarged_bicubically_within_its_range():
    network = U2Net(3).eval()
    photo = torch.rand(1, 3, 60, 60).round() * 2.0 - 1.0  # bicubic filters overshoot at edges
    enlarged = F.interpolate(photo, (384, 384), mode="bicubic", antialias=True)
    assert enlarged.max() > 1.0
    torch.testing.assert_close(segment(network, photo), segment(network, enlarged.clamp(-1.0, 1.0)))


def test_the_sky_of_another_size_leaves_the_share_of_water_in_what_is_not_sky():
    small, large = torch.rand(2, 4, 6, 6).softmax(dim=1), torch.rand(2, 1, 12, 12)
    large[0], small[0, 1] = 1.0, 0.0
    found = replace_sky(small, large)
    assert found.shape == (2, 4, 12, 12)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2, 12, 12))
    torch.testing.assert_close(found[:, 1:2], large)
    assert found[0, 2:].max() == 0.0
    expected = F.interpolate(small, (12, 12), mode="bilinear")
    share = expected[1, 2] / (1.0 - expected[1, 1])
    torch.testing.assert_close(found[1, 2], (1.0 - large[1, 0]) * share)
