import math

import numpy as np
import pytest

from stylecinegan.mask.colour_models import NOISE, fit_colours, resize


def test_the_mean_is_that_of_the_weighted_colours_and_their_noise_is_added():
    picture = np.zeros((40, 60, 3), np.float32)
    picture[..., :] = 0.2, 0.4, 0.6
    picture[:, 30:] = 0.9  # of no weight
    weights = np.zeros((40, 60), np.float32)
    weights[:, :30] = 1.0
    model = fit_colours(picture, weights)
    np.testing.assert_allclose(model.mean[20, 10], (0.2, 0.4, 0.6), atol=1e-4)
    np.testing.assert_allclose(model.mean[20, 50], (0.2, 0.4, 0.6), atol=1e-4)
    assert model.log_determinant[20, 10] == pytest.approx(6.0 * math.log(NOISE), abs=0.05)
    # One deviation of the noise away in one channel, zero on the mean.
    step = np.array([[(0.2 + NOISE, 0.4, 0.6), (0.2, 0.4, 0.6)]], np.float32)
    distances = model.squared_distance(np.repeat(np.repeat(step, 20, 0), 30, 1))
    assert distances[10, 5] == pytest.approx(1.0, abs=0.05)
    assert distances[10, 55] == pytest.approx(0.0, abs=0.01)


def test_the_density_is_that_of_the_gaussian_and_of_outliers_far_away():
    picture = np.full((20, 20, 3), 0.5, np.float32)
    model = fit_colours(picture, np.ones((20, 20), np.float32))
    peak = (2.0 * math.pi) ** -1.5 / NOISE**3
    assert model.log_density(picture, 0.1)[10, 10] == pytest.approx(math.log(0.9 * peak), abs=0.1)
    far = np.ones_like(picture)
    assert model.log_density(far, 0.1)[10, 10] == pytest.approx(math.log(0.1), abs=1e-3)


def test_correlated_colours_are_told_from_others_of_the_same_spread():
    generator = np.random.default_rng(0)
    grey = generator.uniform(0.2, 0.8, (64, 64, 1)).astype(np.float32)
    model = fit_colours(np.repeat(grey, 3, axis=2), np.ones((64, 64), np.float32))
    alike = np.full((64, 64, 3), 0.75, np.float32)
    other = alike * np.array([1.0, 1.0, 0.4], np.float32)  # yellow
    assert model.squared_distance(alike)[32, 32] < 4.0
    assert model.squared_distance(other)[32, 32] > 40.0


def test_the_mean_of_a_colour_model_varies_over_the_picture():
    picture = np.zeros((16, 200, 3), np.float32)
    picture[:, 100:] = 1.0
    model = fit_colours(picture, np.ones((16, 200), np.float32))
    assert model.mean[8, 10].max() < 0.1
    assert model.mean[8, 190].min() > 0.9


def test_a_map_resized_to_its_own_size_is_itself_and_shrinks_by_areas():
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert resize(values, (4, 4)) is values
    assert resize(values, (2, 2)).tolist() == [[2.5, 4.5], [10.5, 12.5]]
