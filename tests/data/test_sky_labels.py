import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan import io
from stylecinegan.backbones.u2net import U2Net
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.pictures import PictureFolder
from stylecinegan.data.sky_labels import write_sky_labels


@pytest.fixture
def teacher():
    torch.manual_seed(0)
    return U2Net().eval()


def test_labels_have_the_sizes_of_the_photos_and_existing_ones_are_kept(teacher, tmp_path):
    for seed, size in enumerate([(48, 64), (40, 40)]):
        io.write_image(tmp_path / f"photos/{seed}.png", draw_landscape(*size, seed).image)
    photos = PictureFolder(tmp_path / "photos")
    written = list(write_sky_labels(teacher, photos, tmp_path / "labels", side=32))
    assert [path.name for path in written] == ["0.png", "1.png"]
    for path, size in zip(written, [(64, 48), (40, 40)], strict=True):
        with Image.open(path) as label:
            assert (label.mode, label.size) == ("L", size)
    written[0].write_bytes(b"kept")
    list(write_sky_labels(teacher, photos, tmp_path / "labels", side=32))
    assert written[0].read_bytes() == b"kept"


def test_labels_are_flip_averaged(teacher, tmp_path):
    image = draw_landscape(48, 64).image
    labels = []
    for name, photo in (("plain", image), ("mirrored", image.flip(3))):
        io.write_image(tmp_path / name / "0.png", photo)
        photos = PictureFolder(tmp_path / name)
        path = next(write_sky_labels(teacher, photos, tmp_path / f"labels of {name}", side=32))
        labels.append(np.asarray(Image.open(path)).astype(int))
    assert np.ptp(labels[0]) > 0
    assert np.abs(labels[0] - labels[1][:, ::-1]).max() <= 1
