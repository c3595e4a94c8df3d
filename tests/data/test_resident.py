import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan.data.landscapes import Landscapes
from stylecinegan.data.resident import ResidentBatches
from stylecinegan.errors import InputError


@pytest.fixture
def photos(tmp_path):
    """Five photos of one grey value each, 0, 50, 100, …"""
    for number in range(5):
        pixels = np.full((8, 8 + 2 * number, 3), 50 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return Landscapes(tmp_path, crop=8)


def values(batches, count):
    images = [batch["image"] for batch in itertools.islice(batches, count)]
    assert all(image.shape[1:] == (3, 8, 8) for image in images)
    return [round(float((v + 1) * 127.5)) for image in images for v in image[:, 0, 0, 0]]


def test_every_photo_comes_once_in_each_round(photos):
    seen = values(ResidentBatches(photos, batch_size=2), 5)
    assert sorted(seen[:5]) == sorted(seen[5:]) == [0, 50, 100, 150, 200]


def test_batches_resume_where_a_state_was_taken(photos):
    first = ResidentBatches(photos, batch_size=2)
    expected = values(first, 3) + values(first, 2)
    other = ResidentBatches(photos, batch_size=2)
    values(other, 3)
    resumed = ResidentBatches(photos, batch_size=2)
    resumed.load_state_dict(other.state_dict())
    assert values(resumed, 2) == expected[6:]


def test_half_of_the_photos_are_mirrored(tmp_path):
    ramp = np.broadcast_to(np.arange(8, dtype=np.uint8)[None, :, None], (8, 8, 3))
    for number in range(4):
        Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / f"{number}.png")
    torch.manual_seed(0)
    batches = ResidentBatches(Landscapes(tmp_path, crop=8), batch_size=4)
    images = torch.cat([batch["image"] for batch in itertools.islice(batches, 50)])
    mirrored = (images[:, 0, 0, 0] > images[:, 0, 0, 7]).float().mean()
    assert 0.35 < float(mirrored) < 0.65


def test_a_batch_larger_than_the_data_set_is_refused(photos):
    with pytest.raises(InputError, match="at most the 5 photos, got 6"):
        ResidentBatches(photos, batch_size=6)
