import numpy as np
import pytest

from stylecinegan.motion.pseudo_motion import pseudo_motion

SIDE = 96


def grey(value=100):
    return np.full((SIDE, SIDE, 3), value, np.uint8)


def test_sky_and_lake_drift_to_the_right_with_perspective_on_the_lake():
    label = np.zeros((SIDE, SIDE), np.int64)
    label[:40], label[56:] = 1, 2
    motion = pseudo_motion(grey(), label)
    assert np.abs(motion[:, 40:56]).max() == 0  # the land between them
    assert np.all(motion[0, :40] == 1.0)
    assert motion[0, 95, 50] == pytest.approx(0.85)
    assert motion[0, 56, 50] == pytest.approx(0.5 * 0.85)
    # Full from a quarter of the 39 rows below the horizon on.
    assert motion[0, 66, 50] == pytest.approx(0.85)
    assert np.all(np.diff(motion[0, 56:, 50]) >= 0)
    assert np.abs(motion[1]).max() < 1e-6


def test_the_sea_turns_towards_a_shore_in_the_foreground():
    label = np.zeros((SIDE, SIDE), np.int64)
    label[:30], label[30:80] = 1, 2  # below is sand
    motion = pseudo_motion(grey(), label)
    angle = np.degrees(np.arctan2(motion[1], motion[0]))[:, 48]
    assert angle[35] < 3
    assert 20 < angle[79] < 65
    assert np.all(np.diff(angle[35:79]) >= -1e-3)


def test_a_river_flows_along_its_banks_towards_the_viewer():
    rows, columns = np.mgrid[:SIDE, :SIDE]
    # From the middle of the picture to the lower left, ever wider.
    depth = (rows - 40) / 55.0
    centre = 60.0 - 40.0 * depth
    label = np.where((depth >= 0) & (np.abs(columns - centre) < 3 + 15 * depth), 2, 0)
    motion = pseudo_motion(grey(), label)
    angle = np.degrees(np.arctan2(motion[1], motion[0]))
    # Down by 55 and left by 40: 126 degrees.
    assert np.median(angle[60:85][label[60:85] == 2]) == pytest.approx(126.0, abs=12)
    speed = np.hypot(*motion)
    assert speed[88][label[88] == 2].mean() > speed[50][label[50] == 2].mean()


def test_bright_water_with_vertical_streaks_falls_and_dark_reflections_do_not():
    image = grey(60)
    label = np.zeros((SIDE, SIDE), np.int64)
    label[10:80, 30:60] = 2
    streaks = 180 + 50 * (np.arange(30) % 4 < 2)
    image[10:80, 30:60] = streaks[None, :, None]
    motion = pseudo_motion(image, label)
    inside = motion[:, 20:70, 36:54]
    assert np.median(np.degrees(np.arctan2(inside[1], inside[0]))) == pytest.approx(90, abs=2)
    # The same streaks, dark, are a reflection.
    image[10:80, 30:60] = (streaks - 170)[None, :, None]
    still = pseudo_motion(image, label)[:, 20:60, 36:54]
    assert np.abs(np.degrees(np.arctan2(still[1], still[0]))).max() < 30


def test_small_components_of_water_are_static():
    label = np.zeros((SIDE, SIDE), np.int64)
    label[50:54, 50:54] = 2
    assert np.abs(pseudo_motion(grey(), label)).max() == 0
