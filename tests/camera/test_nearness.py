import numpy as np
import pytest
import torch

from stylecinegan.camera import place_camera
from stylecinegan.camera.ground import Ground, find_ground
from stylecinegan.camera.straight_lines import are_upright, find_lines
from stylecinegan.motion.regions import find_regions

HEIGHT, WIDTH = 160, 200
HORIZON, SHORE = 90, 96


def draw(*towers, foreground=False):
    """Sky over a low bank over water, and towers of (left, right, top, foot) in pixels."""
    label = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.int64)
    label[..., HORIZON:SHORE, :] = 0
    label[..., SHORE:, :] = 2
    grey = torch.full((1, 3, HEIGHT, WIDTH), 0.6)
    grey[..., HORIZON:SHORE, :] = -0.2
    grey[..., SHORE:, :] = 0.2
    for left, right, top, foot in towers:
        label[..., top:foot, left:right] = 0
        grey[..., top:foot, left:right] = -0.8
    if foreground:
        label[..., 140:, :] = 0
        grey[..., 140:, :] = -0.5
    return grey, (label > 0).float(), label


def place(drawn, move="slide", amount=0.05):
    return place_camera(move, *drawn, amount=amount)


def at(camera, column, row):
    height, width = camera.nearness.shape[2:]
    return float(camera.nearness[0, 0, row * height // HEIGHT, column * width // WIDTH])


def ground_of(drawn):
    return find_ground(find_regions(drawn[1], drawn[2]))


def test_the_horizon_lies_between_sky_and_water():
    assert HORIZON <= ground_of(draw()).horizon * HEIGHT <= SHORE
    # A tower that hides the sky down to the water changes nothing.
    assert HORIZON <= ground_of(draw((60, 80, 20, 110))).horizon * HEIGHT <= SHORE


def test_narrow_water_does_not_set_the_horizon_with_and_without_classes():
    _, _, label = draw()
    label[..., SHORE:, :] = 0
    label[..., 130:150, 20:60] = 2
    mask = (label > 0).float()
    for kinds in (label, None):
        horizon = find_ground(find_regions(mask, kinds)).horizon
        assert horizon * HEIGHT == pytest.approx(HORIZON, abs=1)
    water_alone = find_ground(find_regions((label == 2).float(), label))
    assert 0.3 < water_alone.horizon < 0.6


def test_nearness_of_the_ground_is_linear_below_the_horizon():
    nearness = Ground(0.5).nearness(np.array([0.0, 0.5, 0.75, 1.0]))
    assert nearness.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert Ground(0.9).nearness(np.array([1.0]))[0] == pytest.approx(0.3)


def test_sky_is_far_and_a_tower_is_as_near_as_its_foot():
    camera = place(draw((40, 56, 30, 105), (120, 136, 30, 130)))
    assert at(camera, 8, 5) < 0.1
    assert at(camera, 90, 155) > 0.9
    assert 0.3 < at(camera, 90, 128) < 0.7
    far, near = at(camera, 48, 60), at(camera, 128, 60)
    assert near > far + 0.1
    for column, foot in ((48, 95), (128, 95)):
        assert at(camera, column, 40) == pytest.approx(at(camera, column, foot), abs=0.03)


def test_upright_and_other_straight_lines_are_detected():
    lines = find_lines(draw((40, 56, 30, 105))[0])
    upright = are_upright(lines, (HEIGHT, WIDTH))
    assert upright.sum() >= 2
    assert (~upright).sum() >= 2
    sides = lines[upright].mean(axis=1)[:, 0] * WIDTH
    assert sorted(sides) == pytest.approx([40, 56], abs=1)
    assert find_lines(torch.zeros(1, 3, 64, 64)).shape == (0, 2, 2)


def edge(image, rows, columns, level):
    """Where grey falls below a level, from left to right, row by row."""
    grey = image[0, 0, rows, columns]
    first = (grey < level).float().argmax(dim=1)
    after = grey.gather(1, first[:, None])[:, 0]
    before = grey.gather(1, first[:, None] - 1)[:, 0]
    return columns.start + first - (after - level) / (after - before)


@pytest.mark.parametrize("move", ["push", "slide"])
@pytest.mark.parametrize("foreground", [False, True])
def test_towers_stay_straight_and_upright_and_horizons_level(move, foreground):
    drawn = draw((60, 84, 30, 120), foreground=foreground)
    camera = place(drawn, move)
    standing = edge(drawn[0], slice(36, 116), slice(40, 75), -0.5)
    seen = camera.reproject(drawn[0], 3 if move == "slide" else 6, 12)
    side = edge(seen, slice(36, 116), slice(40, 75), -0.5)
    assert (side - standing).abs().mean() > 0.5  # it has moved
    rows = torch.arange(80.0)
    slope = ((rows - rows.mean()) * side).sum() / (rows - rows.mean()).square().sum()
    bend = side - side.mean() - slope * (rows - rows.mean())
    assert bend.abs().max() < 0.3
    assert slope.abs() < np.tan(np.deg2rad(0.7))
    horizon = edge(seen.transpose(2, 3), slice(100, 190), slice(80, 95), 0.2)
    assert (horizon - horizon.mean()).abs().max() < 0.4


def test_cameras_of_large_and_of_narrow_photos_are_placed():
    for size in ((300, 700), (64, 500)):
        photo = torch.zeros(1, 3, *size)
        mask = torch.zeros(1, 1, *size)
        mask[..., : size[0] // 2, :] = 1.0
        camera = place_camera("push", photo, mask)
        assert max(camera.nearness.shape) == 256
        assert 0.0 <= float(camera.nearness.min()) < 0.1 < float(camera.nearness.max()) <= 1.0
        assert camera.focus == pytest.approx((0.5, 0.5), abs=0.03)
