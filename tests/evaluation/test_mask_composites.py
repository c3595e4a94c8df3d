import numpy as np
import pytest
import torch

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.evaluation.mask_composites import draw_composites, measure_composites
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.prediction import MaskPrediction


class Segmenter:
    """Segments everything as sky, except pixels that differ from the photo without an object."""

    def __init__(self, photo, *, detects_objects):
        self.photo = photo
        self.detects_objects = detects_objects

    def segment(self, picture):
        static = (picture - self.photo).abs().amax(dim=1, keepdim=True) > 0.02
        moves = 1.0 - (static & self.detects_objects).float()
        classes = torch.cat([1.0 - moves, moves, 0.0 * moves], dim=1)
        return MaskPrediction(moves, PixelClasses(classes, classes, classes))


@pytest.fixture
def photo():
    return draw_landscape(96, 128, 0).image


def test_composites_depend_on_the_seed_only(photo):
    sky = np.zeros((96, 128), np.float32)
    first, again, other = (
        [picture for picture, _ in draw_composites(photo, sky, (seed, 1, 0), 2)]
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])


def test_a_composite_equals_the_photo_outside_the_object(photo):
    sky = np.zeros((96, 128), np.float32)
    ((picture, alpha),) = draw_composites(photo, sky, (0, 1, 0), 1)
    changed = (picture - photo).abs().amax(dim=1)[0].numpy() > 1e-4
    assert changed.any()
    assert not changed[alpha == 0.0].any()


def test_recall_and_precision_of_a_model_that_detects_objects_and_of_one_that_does_not(photo):
    photos = [("photo", photo)]
    blind, composites = measure_composites(
        Segmenter(photo, detects_objects=False), photos, num_each=4
    )
    detecting, _ = measure_composites(Segmenter(photo, detects_objects=True), photos, num_each=4)
    assert len(composites) == 4
    assert blind["recall 3 px and wider"] == 0.0
    assert detecting["recall 3 px and wider"] > 0.9
    assert detecting["precision"] == 1.0
