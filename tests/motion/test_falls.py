import numpy as np
import pytest
import torch

from stylecinegan.io import load_opencv
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.motion.falls import FALLING, Falls, find_falls, mark_falls, set_falling_motion
from stylecinegan.motion.regions import find_regions

SIZE = 192


def classes_of(label, certainty=0.9):
    """Classes of a label ``[SIZE, SIZE]``; ``certainty`` is the probability of falling water."""
    probabilities = torch.stack([label == 0, label == 1, label >= 2])[None].float()
    falling = certainty * (label == FALLING).float()[None, None]
    vote = probabilities.argmax(dim=1, keepdim=True)
    return PixelClasses(probabilities, vote, torch.ones_like(falling), falling)


@pytest.fixture
def waterfall():
    """White streaks between dark rocks above a dark pool: photo, label and region of the fall."""
    rng = np.random.default_rng(3)
    grey = (50.0 + 12.0 * rng.normal(size=(SIZE, SIZE))).astype(np.float32)
    place = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    place[20:140, 80:112] = True
    noise = rng.normal(size=(SIZE, SIZE)).astype(np.float32)
    streaks = load_opencv().GaussianBlur(noise, (1, 61), 0, None, 12.0)
    grey[place.numpy()] = (190.0 + 25.0 * streaks / streaks.std())[place.numpy()]
    label = FALLING * place.long()
    label[140:, 60:132] = 2
    grey[140:, 60:132] = 70.0 + 4.0 * rng.normal(size=(SIZE - 140, 72))
    image = torch.from_numpy(np.clip(grey, 0, 255) / 127.5 - 1.0)
    return image.expand(1, 3, SIZE, SIZE).contiguous(), label, place


def shear(values, tangent, flags):
    """Shears a picture ``[SIZE, SIZE]``, so that vertical lines go to the left below."""
    matrix = np.float32([[1.0, -tangent, 70.0 * tangent], [0.0, 1.0, 0.0]])
    return load_opencv().warpAffine(values, matrix, (SIZE, SIZE), flags=flags, borderMode=2)


def lean(falls):
    """Mean angle of the slope from the vertical, in degrees, positive to the left."""
    x, y = falls.slope[0][:, falls.weight[0, 0] > 0.5].mean(dim=1).tolist()
    assert y > 0.0
    return np.degrees(np.arctan2(-x, y))


def test_the_class_of_falling_water_falls_and_its_pool_does_not(waterfall):
    photo, label, place = waterfall
    weight = find_falls(photo, classes_of(label)).weight[0, 0]
    assert weight[place].mean() > 0.9
    assert weight[150:].max() < 0.2
    assert weight[label == 0].max() == 0.0


def test_falls_are_found_at_the_size_of_a_larger_photo(waterfall):
    photo, label, place = waterfall
    large = torch.nn.functional.interpolate(photo, scale_factor=4, mode="bicubic")
    weight = find_falls(large, classes_of(label)).weight
    assert weight.shape == (1, 1, 4 * SIZE, 4 * SIZE)
    assert weight[0, 0, ::4, ::4][place].mean() > 0.8


@pytest.mark.parametrize("tangent", [-0.6, 0.4])
def test_streaks_give_the_slope_of_a_leaning_fall(waterfall, tangent):
    photo, label, _ = waterfall
    leaning = torch.from_numpy(shear(photo[0, 0].numpy(), tangent, 1))
    leaning_label = torch.from_numpy(shear(label.numpy().astype(np.uint8), tangent, 0)).long()
    falls = find_falls(leaning.expand(1, 3, SIZE, SIZE), classes_of(leaning_label))
    assert lean(falls) == pytest.approx(np.degrees(np.arctan(tangent)), abs=8.0)


def test_a_fall_without_streaks_has_the_slope_of_its_principal_axis(waterfall):
    _, label, _ = waterfall
    leaning_label = torch.from_numpy(shear(label.numpy().astype(np.uint8), 0.6, 0)).long()
    falls = find_falls(torch.zeros(1, 3, SIZE, SIZE), classes_of(leaning_label))
    assert 10.0 < lean(falls) < 35.0


def test_a_fall_wider_than_high_is_vertical():
    label = torch.zeros(SIZE, SIZE, dtype=torch.int64)
    label[80:110] = FALLING
    falls = find_falls(torch.zeros(1, 3, SIZE, SIZE), classes_of(label))
    assert lean(falls) == pytest.approx(0.0, abs=1.0)


def test_small_components_are_not_falls(waterfall):
    photo, label, place = waterfall
    label[place] = 0
    label[30:35, 90:95] = FALLING
    assert find_falls(photo, classes_of(label)) is None


def test_networks_without_the_class_find_no_falls(waterfall):
    photo, label, _ = waterfall
    classes = classes_of(label)
    unknown = PixelClasses(classes.probabilities, classes.vote, classes.confidence)
    assert find_falls(photo, unknown, torch.ones(1, 1, SIZE, SIZE)) is None


def test_painted_static_regions_need_a_lower_probability(waterfall):
    photo, label, place = waterfall
    doubtful = classes_of(label, certainty=0.15)
    rock = torch.nn.functional.one_hot(2 * (label == 2), 3).permute(2, 0, 1)[None].float()
    taken_for_rock = PixelClasses(rock, rock.argmax(1, keepdim=True), rock, doubtful.falling)
    assert find_falls(photo, taken_for_rock) is None
    weight = find_falls(photo, taken_for_rock, place[None, None].float()).weight[0, 0]
    assert weight[place].mean() > 0.9
    assert weight[~place].max() < 0.6


def test_a_painted_region_that_is_more_likely_sky_is_not_a_fall(waterfall):
    photo, _, place = waterfall
    probabilities = torch.tensor([0.6, 0.4, 0.0]).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)
    falling = 0.2 * place[None, None].float()
    classes = PixelClasses(probabilities, probabilities.argmax(1, keepdim=True), falling, falling)
    assert find_falls(photo, classes, place[None, None].float()) is None


def test_falling_water_gets_its_own_class(waterfall):
    photo, label, place = waterfall
    vote = label[None, None].clamp(max=2)
    marked = mark_falls(vote, find_falls(photo, classes_of(label)))[0, 0]
    assert (marked[place] == FALLING).float().mean() > 0.8
    assert bool((marked[~place] == label[~place]).all())


@pytest.fixture
def drawn_fall():
    """A fall into a pool, its mask and its regions."""
    weight = torch.zeros(1, 1, 60, 80)
    weight[..., :30, 35:45] = 1.0
    mask = weight.clone()
    mask[..., 30:, :] = 1.0
    slope = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 60, 80)
    return Falls(weight, slope), find_regions(mask, 2 * torch.ones(1, 1, 60, 80).long())


def test_falling_water_is_faster_than_its_pool(drawn_fall):
    falls, regions = drawn_fall
    rightwards = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 60, 80)
    motion = set_falling_motion(rightwards, falls, regions)
    assert motion[0, :, 10, 40].tolist() == pytest.approx([0.0, 1.5])
    assert motion[0, :, 58, 5].tolist() == pytest.approx([1.0, 0.0], abs=0.01)


def test_water_spreads_from_the_foot_of_a_fall(drawn_fall):
    falls, regions = drawn_fall
    rightwards = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 60, 80)
    motion = set_falling_motion(rightwards, falls, regions)
    assert motion[0, 0, 31, 32] < -0.3
    assert motion[0, 0, 31, 48] > 0.5
    assert motion[0, 1, 32, 40] > 0.8
