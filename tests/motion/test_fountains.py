import numpy as np
import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.motion.controls import controlled_motion
from stylecinegan.motion.falls import FALLING, find_falls, mark_fountains, set_falling_motion
from stylecinegan.motion.fountains import fountain_velocity, is_fountain, resized_fountain_velocity
from stylecinegan.motion.regions import find_regions

HEIGHT, WIDTH = 192, 256
TOP, BOTTOM, AXIS = 40, 150, 128
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]


def jet(narrowest=2.0, widest=18.0):
    """A jet that widens downwards, boolean ``[H, W]``."""
    share = (ROWS - TOP) / (BOTTOM - TOP)
    half = narrowest + (widest - narrowest) * share.clip(0.0, 1.0)
    return (np.abs(COLUMNS - AXIS) <= half) & (ROWS >= TOP) & (ROWS < BOTTOM)


def in_a_lake(place):
    """Sky and water around a fountain: static hills between row 120 and row 140."""
    return (ROWS < 120) & ~place, (ROWS >= 140) | place


def test_a_jet_in_a_lake_in_front_of_the_sky_is_a_fountain():
    assert is_fountain(jet(), *in_a_lake(jet()))


def test_a_tapering_fall_on_a_rock_is_not_a_fountain():
    sky, water = in_a_lake(jet())
    rock = np.abs(COLUMNS - AXIS) < 60
    assert not is_fountain(jet(), sky & ~rock, water)


def test_a_fall_between_rocks_is_not_a_fountain():
    sky, water = in_a_lake(jet())
    beside = (np.abs(COLUMNS - AXIS) < 60) & (ROWS >= TOP)
    assert not is_fountain(jet(), sky & ~beside, water)


def test_a_fall_without_water_at_its_foot_is_not_a_fountain():
    sky, _ = in_a_lake(jet())
    assert not is_fountain(jet(), sky, jet())


def test_a_wide_wave_is_not_a_fountain():
    wave = jet(60.0, 90.0)
    assert not is_fountain(wave, *in_a_lake(wave))


@pytest.mark.parametrize("shift", [(-TOP, 0), (0, -AXIS)])
def test_a_jet_at_the_picture_s_border_is_not_a_fountain(shift):
    place = np.zeros((HEIGHT, WIDTH), bool)
    down, right = shift
    source = jet()
    place[: HEIGHT + down, : WIDTH + right] = source[-down:, -right:]
    sky = np.ones_like(place)
    assert not is_fountain(place, sky, sky)


def test_water_rises_in_the_middle_and_falls_along_the_outline():
    x, y = fountain_velocity(jet())
    row = 110
    assert y[row, AXIS] < -0.6
    edge = np.flatnonzero(jet()[row])[[1, -2]]
    assert (y[row, edge] > 0.2).all()
    # Outwards, parallel to the outline.
    assert x[row, edge[0]] < 0.0 < x[row, edge[1]]


def test_speed_is_proportional_to_the_root_of_the_distance_from_the_top():
    speeds = -fountain_velocity(jet())[1, [50, 70, 90, 110], AXIS]
    assert (np.diff(speeds) > 0.0).all()
    assert speeds[3] / speeds[1] == pytest.approx(np.sqrt(70 / 30), rel=0.15)


def test_fountain_velocities_are_at_most_1_long():
    assert np.hypot(*fountain_velocity(jet())).max() <= 1.0 + 1e-6


def test_fountain_velocities_are_independent_of_the_picture_s_size():
    place = torch.from_numpy(jet())
    large = place.repeat_interleave(4, 0).repeat_interleave(4, 1)
    velocity = resized_fountain_velocity(large)
    assert velocity.shape == (1, 2, 4 * HEIGHT, 4 * WIDTH)
    small = resized_fountain_velocity(place)
    torch.testing.assert_close(velocity[..., 2::4, 2::4], small, atol=0.1, rtol=0.0)


def test_each_of_two_jets_rises_in_its_middle():
    both = np.roll(jet(2.0, 8.0), -30, axis=1) | np.roll(jet(2.0, 8.0), 30, axis=1)
    y = fountain_velocity(both)[1]
    assert y[100, AXIS - 30] < -0.5
    assert y[100, AXIS + 30] < -0.5


@pytest.fixture
def lake():
    """Classes of a fountain in a lake before the sky, and its mask."""
    place = torch.from_numpy(jet())
    sky, water = (torch.from_numpy(area) for area in in_a_lake(jet()))
    probabilities = torch.stack([~(sky | water), sky, water])[None].float()
    falling = 0.9 * place[None, None].float()
    classes = PixelClasses(probabilities, probabilities.argmax(1, keepdim=True), falling, falling)
    return classes, (sky | water)[None, None].float()


def test_a_detected_fountain_rises_without_a_control(lake):
    classes, mask = lake
    falls = find_falls(torch.zeros(1, 3, HEIGHT, WIDTH), classes)
    assert falls is not None
    regions = find_regions(mask, classes.vote)
    motion = set_falling_motion(torch.ones(1, 2, HEIGHT, WIDTH), falls, regions)
    assert motion[0, 1, 110, AXIS] < -1.0
    assert motion[0, 1, 110, AXIS + 10] > 0.2


def rightwards():
    return torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, HEIGHT, WIDTH)


def test_text_makes_falling_water_a_fountain(lake):
    classes, mask = lake
    vote = torch.where(classes.falling > 0.5, FALLING, classes.vote)
    motion = controlled_motion(rightwards(), mask, vote, text="fountain rises", speed=None)
    assert motion[0, 1, 110, AXIS] < -1.0
    assert motion[0, 1, 110, AXIS + 11] > 0.2
    # The lake does not change.
    assert motion[0, :, 180, 20].tolist() == [1.0, 0.0]


def test_text_about_a_fountain_needs_falling_water(lake):
    classes, mask = lake
    with pytest.raises(InputError, match="fountain, but the mask has only sky and water"):
        controlled_motion(rightwards(), mask, classes.vote, text="fountain rises")


def test_painted_components_higher_than_wide_are_fountains(lake):
    classes, _ = lake
    painted = torch.from_numpy(jet())[None, None].float()
    painted[..., 170:180, 20:80] = 1.0
    marked = mark_fountains(classes.vote, painted)[0, 0]
    assert bool((marked[torch.from_numpy(jet())] == FALLING).all())
    assert int((marked == FALLING).sum()) == jet().sum()
