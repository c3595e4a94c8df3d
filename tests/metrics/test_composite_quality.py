import numpy as np
import pytest

from stylecinegan.metrics.composite_quality import CompositeQuality, split_by_width


def bar(width, side=1024):
    alpha = np.zeros((side // 2, side), np.float32)
    alpha[:, 300 : 300 + width] = 1.0
    return alpha


@pytest.mark.parametrize(
    ("width", "name"),
    [(1, "1-2 px"), (2, "1-2 px"), (3, "3-5 px"), (5, "3-5 px"), (6, "6-12 px"), (12, "6-12 px"),
     (13, "over 12 px"), (60, "over 12 px")],
)  # fmt: skip
def test_a_bar_belongs_to_the_bin_of_its_width(width, name):
    object_ = bar(width) > 0.5
    split = split_by_width(object_)
    assert np.array_equal(split[name], object_)
    assert sum(int(part.sum()) for part in split.values()) == object_.sum()


def test_widths_are_in_pixels_of_a_longer_side_of_1024():
    assert not split_by_width(bar(5, side=2048) > 0.5)["3-5 px"].any()
    assert split_by_width(bar(6, side=2048) > 0.5)["3-5 px"].all(axis=0).sum() == 6


def measured(alpha, before, after):
    quality = CompositeQuality()
    quality.add(alpha, before, after)
    return quality.result()


def test_recall_counts_pixels_of_the_object_where_the_photo_moves():
    alpha = bar(4)
    before = np.ones_like(alpha)
    before[256:] = 0.0  # static already
    after = np.where(alpha > 0.5, 0.0, before)
    after[:64] = 1.0  # a quarter of the object in front of the sky moves
    figures = measured(alpha, before, after)
    assert figures["recall 3-5 px"] == figures["recall 3 px and wider"] == pytest.approx(0.75)
    assert np.isnan(figures["recall 1-2 px"])
    assert figures["precision"] == 1.0


def test_an_all_static_mask_has_full_recall_and_low_precision():
    alpha = bar(2)
    figures = measured(alpha, np.ones_like(alpha), np.zeros_like(alpha))
    assert figures["recall 1-2 px"] == 1.0
    assert figures["precision"] < 0.03


def test_a_margin_around_the_object_does_not_lower_precision():
    alpha = bar(2)
    after = np.ones_like(alpha)
    after[:, 296:306] = 0.0
    assert measured(alpha, np.ones_like(alpha), after)["precision"] == 1.0
