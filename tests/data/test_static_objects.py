import numpy as np
import pytest

from stylecinegan.data.coverage_canvas import Canvas
from stylecinegan.data.static_objects import OBJECTS, draw_object


def test_alpha_is_the_share_of_a_pixel_that_is_covered():
    canvas = Canvas(12, 12)
    canvas.polygon([(3.0, 2.0), (3.0, 8.0), (6.5, 8.0), (6.5, 2.0)])
    alpha = canvas.alpha()
    assert alpha[4, 4] == 1.0
    assert alpha[4, 0] == alpha[0, 4] == 0.0
    assert alpha[4, 6] == pytest.approx(0.5, abs=0.25)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_every_object_is_drawn_by_its_seed_alone_and_leaves_most_of_the_picture(name):
    drawn = [
        draw_object(128, 160, np.random.default_rng(seed), thickness=2.0, name=name)
        for seed in (0, 0, 1)
    ]
    assert drawn[0].shape == (128, 160)
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    for alpha in drawn:
        assert 0.0 < alpha.mean() < 0.6
        assert alpha.max() <= 1.0
