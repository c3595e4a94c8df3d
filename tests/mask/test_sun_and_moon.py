import numpy as np
import pytest

from stylecinegan.mask.sun_and_moon import find_discs

ROWS, COLUMNS = np.mgrid[:192, :256].astype(np.float32)
SKY = np.ones((192, 256), bool)


def spot(row, column, height, width, brightness=0.9):
    """A soft spot in a dark sky with a little noise, ``[192, 256, 3]``."""
    distance = ((ROWS - row) / height) ** 2 + ((COLUMNS - column) / width) ** 2
    noise = np.random.default_rng(0).normal(0.0, 0.01, ROWS.shape)
    sky = 0.1 + noise + (brightness - 0.1) * np.exp(-0.5 * distance)
    return np.repeat(sky[..., None], 3, axis=2).astype(np.float32).clip(0.0, 1.0)


def test_a_moon_is_found_with_its_glow():
    found = find_discs(SKY, spot(60, 100, 6, 6))
    distance = np.hypot(ROWS - 60, COLUMNS - 100)
    assert found[distance < 9].all()
    assert not found[distance > 16].any()


def test_a_moon_is_found_in_a_large_photo():
    picture = np.kron(spot(60, 100, 6, 6), np.ones((3, 3, 1), np.float32))
    found = find_discs(np.kron(SKY, np.ones((3, 3), bool)), picture)
    assert found[180, 300]
    assert 0.9 < found.sum() / (9 * find_discs(SKY, spot(60, 100, 6, 6)).sum()) < 1.1


@pytest.mark.parametrize(
    "shape",
    [
        (60, 100, 3, 14),  # a streak of cloud
        (60, 100, 25, 25),  # a bright part of the sky
        (60, 100, 0.7, 0.7),  # a star
        (60, 2, 6, 6),  # cut off by the border
        (60, 100, 6, 6, 0.5),  # dim
    ],
)
def test_other_bright_spots_are_no_discs(shape):
    assert not find_discs(SKY, spot(*shape)).any()


def test_a_gap_between_clouds_and_a_lamp_on_land_are_no_discs():
    plain = 0.3 + 0.6 * spot(60, 100, 6, 6)
    assert find_discs(SKY, plain)[60, 100]
    clouds = 0.25 * np.sin(ROWS / 4.0) * np.sin(COLUMNS / 5.0)
    assert not find_discs(SKY, (plain + clouds[..., None]).clip(0.0, 1.0)).any()
    land = SKY.copy()
    land[40:] = False
    assert not find_discs(land, spot(60, 100, 6, 6)).any()
