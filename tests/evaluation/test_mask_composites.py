import numpy as np
import pytest
import torch

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.evaluation.mask_composites import draw_composites, measure_composites
from stylecinegan.evaluation.photos import Photos
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.prediction import MaskPrediction

STATIC = np.ones((96, 128), np.float32)


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
    first, again, other = (
        [picture for picture, _ in draw_composites(photo, STATIC, (seed, 1, 0), 2)]
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])


def test_a_composite_equals_the_photo_outside_the_object(photo):
    ((picture, alpha),) = draw_composites(photo, STATIC, (0, 1, 0), 1)
    changed = (picture - photo).abs().amax(dim=1)[0].numpy() > 1e-4
    assert changed.any()
    assert not changed[alpha == 0.0].any()


def write(folder, photo, drawn=None):
    io.write_image(folder / "photo.png", photo)
    if drawn is not None:
        io.write_image(folder / "photo_mask.png", 2.0 * drawn.expand(1, 3, -1, -1) - 1.0)
    photos = Photos(folder, pattern="photo.png")
    return photos, photos.read("photo.png")


def test_recall_and_precision_of_a_model_that_detects_objects_and_of_one_that_does_not(
    photo, tmp_path
):
    photos, read = write(tmp_path, photo)
    blind, composites = measure_composites(
        Segmenter(read, detects_objects=False), photos, num_each=4
    )
    detecting, _ = measure_composites(Segmenter(read, detects_objects=True), photos, num_each=4)
    assert len(composites) == 2
    assert blind["recall 3 px and wider"] == 0.0
    assert detecting["recall 3 px and wider"] > 0.9
    assert detecting["precision"] == 1.0


def test_what_is_static_in_the_mask_drawn_by_hand_is_not_counted(photo, tmp_path):
    class Nervous(Segmenter):
        """Segments the lower half as static, too, once there is an object."""

        def segment(self, picture):
            prediction = super().segment(picture)
            if not torch.equal(picture, self.photo):
                prediction.mask[..., 48:, :] = 0.0
            return prediction

    drawn = torch.ones(1, 1, 96, 128)
    drawn[..., 48:, :] = 0.0
    precisions = []
    for name, mask in (("without", None), ("with", drawn)):
        (tmp_path / name).mkdir()
        photos, read = write(tmp_path / name, photo, mask)
        figures, _ = measure_composites(Nervous(read, detects_objects=True), photos, num_each=4)
        precisions.append(figures["precision"])
    assert precisions[0] < 0.7
    assert precisions[1] == 1.0
