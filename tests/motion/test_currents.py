import pytest
import torch

from stylecinegan.motion.currents import follow_shapes
from stylecinegan.motion.refinement import align_sky, extrapolate_motion
from stylecinegan.motion.regions import find_regions


def rightwards(size=(80, 80), speed=1.0):
    return torch.tensor([speed, 0.0]).view(1, 2, 1, 1).expand(1, 2, *size).contiguous()


def regions_of(classes):
    return find_regions((classes > 0).float(), classes)


def angles(motion):
    """Degrees, clockwise from right."""
    return torch.atan2(motion[0, 1], motion[0, 0]).rad2deg()


@pytest.fixture
def river():
    """Water that comes from the upper right, widens and leaves at the lower left."""
    classes = torch.zeros(1, 1, 80, 80, dtype=torch.int64)
    for row in range(20, 80):
        half = 2 + (row - 20) // 5
        middle = 60 - (row - 20) // 2
        classes[..., row, max(middle - half, 0) : middle + half] = 2
    return classes


def test_a_river_flows_along_its_banks_to_its_near_end(river):
    motion = follow_shapes(rightwards(), regions_of(river))
    inside = river[0, 0, 30:70] > 0
    # Two rows down for one column to the left: 117 degrees; some of the prediction remains.
    assert angles(motion)[30:70][inside].median() == pytest.approx(110.0, abs=12.0)
    assert motion.norm(dim=1)[0, 30:70][inside].numpy() == pytest.approx(1.0, abs=1e-3)


def test_a_lake_keeps_its_predicted_direction():
    classes = torch.zeros(1, 1, 80, 80, dtype=torch.int64)
    classes[..., 40:, :] = 2
    assert torch.equal(follow_shapes(rightwards(), regions_of(classes)), rightwards())


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_sea_rolls_towards_the_viewer_and_more_steeply_above_a_shore(sign):
    classes = torch.ones(1, 1, 80, 80, dtype=torch.int64)
    classes[..., 30:, :] = 2
    classes[..., 70:, :] = 0
    motion = follow_shapes(sign * rightwards(), regions_of(classes))
    far, near = motion[0, :, 36, 40], motion[0, :, 68, 40]
    assert sign * far[0] > 0.8
    assert far[1] == pytest.approx(0.42, abs=0.05)
    assert near[1] > 0.8
    assert torch.equal(motion[0, :, :25], sign * rightwards()[0, :, :25])


def test_a_sky_gets_one_direction_and_keeps_its_speeds():
    bend = torch.linspace(-40.0, 40.0, 80).deg2rad().expand(80, 80)
    speed = torch.linspace(1.0, 0.5, 80)[:, None]
    motion = torch.stack([bend.cos(), bend.sin()])[None] * speed
    regions = regions_of(torch.ones(1, 1, 80, 80, dtype=torch.int64))
    aligned = align_sky(motion, regions)
    assert angles(aligned).abs().max() < 1.0
    torch.testing.assert_close(aligned.norm(dim=1), motion.norm(dim=1))


def test_a_diverging_sky_keeps_its_directions():
    x = torch.linspace(-1.0, 1.0, 80).expand(80, 80)
    motion = torch.stack([x, -torch.ones(80, 80) * 0.1])[None]
    regions = regions_of(torch.ones(1, 1, 80, 80, dtype=torch.int64))
    assert torch.equal(align_sky(motion, regions), motion)


def test_motion_is_extrapolated_to_painted_static_pixels():
    classes = torch.ones(1, 1, 80, 80, dtype=torch.int64)
    classes[..., 30:50] = 0
    motion = rightwards() * (classes > 0)
    mask = torch.ones(1, 1, 80, 80)
    assert extrapolate_motion(motion, mask, classes)[0, 0].numpy() == pytest.approx(1.0, abs=0.02)
    unpainted = (classes > 0).float()
    assert torch.equal(extrapolate_motion(motion, unpainted, classes), motion)
