import numpy as np
import pytest
import torch

from stylecinegan.io import load_opencv
from stylecinegan.motion.falls import FALLING, Falls, fall, find_falls, mark_falls
from stylecinegan.motion.regions import find_regions

SIZE = 192


def draw_streaks(rng, mean, deviation, blur=(1, 61)):
    """Upright streaks, ``[SIZE, SIZE]`` grey levels."""
    cv2 = load_opencv()
    noise = rng.normal(size=(SIZE, SIZE)).astype(np.float32)
    streaks = cv2.GaussianBlur(noise, (1, blur[1]), 0, None, 12.0)
    return mean + deviation * streaks / streaks.std()


def as_photo(grey):
    image = torch.from_numpy(np.clip(grey, 0, 255).astype(np.float32) / 127.5 - 1.0)
    return image.expand(1, 3, SIZE, SIZE).contiguous()


def as_probabilities(label):
    return torch.nn.functional.one_hot(label, 3).permute(2, 0, 1)[None].float()


def rock(rng):
    return 50.0 + 12.0 * rng.normal(size=(SIZE, SIZE))


@pytest.fixture
def waterfall():
    """White streaks between dark rocks above a dark pool: photo, label, where it falls."""
    rng = np.random.default_rng(3)
    grey = rock(rng)
    label = torch.zeros(SIZE, SIZE, dtype=torch.int64)
    place = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    place[20:140, 80:112] = True
    grey[place.numpy()] = draw_streaks(rng, 190.0, 25.0)[place.numpy()]
    label[20:140, 80:112] = 2
    label[140:, 60:132] = 2
    grey[140:, 60:132] = 70.0 + 4.0 * rng.normal(size=(SIZE - 140, 72))
    return as_photo(grey), label, place


@pytest.fixture
def lake():
    """A lake that mirrors pale trees; its reflections stand upright."""
    rng = np.random.default_rng(4)
    grey = rock(rng)
    trees = draw_streaks(rng, 150.0, 40.0)
    grey[30:96] = trees[30:96]
    grey[96:162] = grey[30:96][::-1] - 10.0
    label = torch.zeros(SIZE, SIZE, dtype=torch.int64)
    label[96:] = 2
    return as_photo(grey), label


def test_white_streaks_between_rocks_fall_and_the_pool_does_not(waterfall):
    photo, label, place = waterfall
    weight = find_falls(photo, as_probabilities(label)).weight[0, 0]
    assert weight[place].mean() > 0.8
    assert weight[150:].max() < 0.2
    assert weight[label == 0].max() == 0.0


def test_a_fall_of_another_size_is_the_same_fall(waterfall):
    photo, label, place = waterfall
    large = torch.nn.functional.interpolate(photo, scale_factor=4, mode="bicubic")
    weight = find_falls(large, as_probabilities(label)).weight
    assert weight.shape == (1, 1, 4 * SIZE, 4 * SIZE)
    assert weight[0, 0, ::4, ::4][place].mean() > 0.7


def test_a_leaning_fall_falls_along_its_slope(waterfall):
    photo, label, _ = waterfall
    cv2 = load_opencv()
    shear = np.float32([[1.0, -0.4, 40.0], [0.0, 1.0, 0.0]])

    def lean(values, flags):
        return cv2.warpAffine(values, shear, (SIZE, SIZE), flags=flags, borderMode=2)

    leaning = lean(photo[0, 0].numpy(), cv2.INTER_LINEAR)
    leaning_label = torch.from_numpy(lean(label.numpy().astype(np.uint8), cv2.INTER_NEAREST)).long()
    image = torch.from_numpy(leaning).expand(1, 3, SIZE, SIZE)
    falls = find_falls(image, as_probabilities(leaning_label))
    x, y = falls.slope[0][:, falls.weight[0, 0] > 0.5].mean(dim=1).tolist()
    assert y > 0.0
    assert np.degrees(np.arctan2(-x, y)) == pytest.approx(np.degrees(np.arctan(0.4)), abs=6.0)


def test_a_fall_that_is_taken_for_rock_is_found_above_its_pool(waterfall):
    photo, label, place = waterfall
    label[place] = 0
    weight = find_falls(photo, as_probabilities(label)).weight[0, 0]
    assert weight[place].mean() > 0.7
    assert weight[150:].max() < 0.2


def test_a_trunk_or_rock_that_stands_in_no_water_does_not_fall(waterfall):
    photo, label, _ = waterfall
    label[:] = 0
    label[170:, :30] = 2
    assert not find_falls(photo, as_probabilities(label))


def test_a_lake_that_mirrors_its_shore_does_not_fall(lake):
    photo, label = lake
    assert not find_falls(photo, as_probabilities(label))


def test_a_sky_does_not_fall_however_streaked(waterfall):
    photo, label, _ = waterfall
    assert not find_falls(photo, as_probabilities((label > 0).long()), torch.ones(1, 1, SIZE, SIZE))


def test_a_missed_fall_falls_where_somebody_paints_it_as_moving(waterfall):
    photo, _, place = waterfall
    nothing = as_probabilities(torch.zeros(SIZE, SIZE, dtype=torch.int64))
    assert not find_falls(photo, nothing)
    weight = find_falls(photo, nothing, place[None, None].float()).weight[0, 0]
    assert weight[place].mean() > 0.7
    assert weight[~place].max() == 0.0


def test_falling_water_is_a_class_of_its_own(waterfall):
    photo, label, place = waterfall
    marked = mark_falls(label[None, None], find_falls(photo, as_probabilities(label)))[0, 0]
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


def test_a_fall_goes_down_faster_than_its_pool(drawn_fall):
    falls, regions = drawn_fall
    rightwards = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 60, 80)
    motion = fall(rightwards, falls, regions)
    assert motion[0, :, 10, 40].tolist() == pytest.approx([0.0, 1.5])
    assert motion[0, :, 58, 5].tolist() == pytest.approx([1.0, 0.0], abs=0.01)


def test_white_water_spreads_at_the_foot_of_a_fall(drawn_fall):
    falls, regions = drawn_fall
    rightwards = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 60, 80)
    motion = fall(rightwards, falls, regions)
    assert motion[0, 0, 31, 32] < -0.3
    assert motion[0, 0, 31, 48] > 0.5
    assert motion[0, 1, 32, 40] > 0.8


def test_without_falls_motion_stays(drawn_fall):
    falls, regions = drawn_fall
    motion = torch.rand(1, 2, 60, 80)
    none = Falls(torch.zeros_like(falls.weight), falls.slope)
    assert torch.equal(fall(motion, none, regions), motion)
