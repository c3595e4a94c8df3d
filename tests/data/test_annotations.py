import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan.data.annotations import AnnotatedLandscapes
from stylecinegan.data.batches import Batches
from stylecinegan.errors import InputError


def write_pairs(folder, count=4, size=(32, 24)):
    for name in ("photos", "labels"):
        (folder / name).mkdir()
    width, height = size
    for number in range(count):
        rows, columns = np.mgrid[:height, :width]
        label = (rows / height + columns / width < 1).astype(np.uint8)
        photo = np.stack([0 * label, 250 * (1 - label), 250 * label], axis=2).astype(np.uint8)
        Image.fromarray(photo).save(folder / "photos" / f"{number}.png")
        picture = Image.fromarray(label)
        picture.putpalette([0, 0, 0, 200, 200, 255, 0, 0, 255])
        picture.save(folder / "labels" / f"{number}.png")
    return folder / "photos", folder / "labels"


def test_photo_and_label_are_cut_and_mirrored_together(tmp_path):
    # A triangle of sky in the upper left corner: neither crops nor mirrors leave it in its place.
    data = AnnotatedLandscapes(*write_pairs(tmp_path), crop=24, scale_range=(1.0, 1.5))
    sides = []
    for counter in range(20):
        sample = data[counter]
        is_blue = sample["image"][2] > 125
        agree = (is_blue == (sample["label"] == 1)).float().mean()
        assert agree > 0.93
        sides.append(bool(is_blue[:, :12].sum() > is_blue[:, 12:].sum()))
    assert 4 <= sum(sides) <= 16


def test_a_sample_depends_on_its_number_alone(tmp_path):
    folders = write_pairs(tmp_path)
    first, again = (AnnotatedLandscapes(*folders, crop=16, seed=5) for _ in range(2))
    for counter in (7, 3):
        for name, tensor in first[counter].items():
            assert torch.equal(tensor, again[counter][name])


def test_num_labels_limits_the_labels_that_are_used(tmp_path):
    data = AnnotatedLandscapes(*write_pairs(tmp_path), crop=16, num_labels=2)
    assert {int(data[counter]["index"]) for counter in range(12)} == {0, 1}
    assert len(data) == 2
    with pytest.raises(InputError, match=r"num_labels must be in \[1, 4\], got 5"):
        AnnotatedLandscapes(tmp_path / "photos", tmp_path / "labels", num_labels=5)


def test_held_out_photos_are_for_the_test_split_alone(tmp_path):
    folders = write_pairs(tmp_path)
    held_out = tmp_path / "held_out.txt"
    held_out.write_text("1\n3\n")
    kept = AnnotatedLandscapes(*folders, held_out=held_out).pairs
    tested = AnnotatedLandscapes(*folders, held_out=held_out, split="test").pairs
    assert [photo for photo, _ in kept] == ["0.png", "2.png"]
    assert [photo for photo, _ in tested] == ["1.png", "3.png"]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (np.full((24, 32), 7, np.uint8), "0 static, 1 sky and 2 water only, got 7"),
        (np.zeros((24, 32, 3), np.uint8), "got a picture of mode RGB"),
        (np.zeros((20, 20), np.uint8), "must be 32x24 as its photo, got 20x20"),
    ],
)
def test_a_wrong_label_is_named_with_the_reason(tmp_path, label, reason):
    folders = write_pairs(tmp_path, count=1)
    Image.fromarray(label).save(folders[1] / "0.png")
    with pytest.raises(InputError, match=r"label 0\.png") as error:
        AnnotatedLandscapes(*folders, crop=16)[0]
    assert reason in str(error.value)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_too_many_broken_photos_are_an_error_in_one_line(tmp_path, num_workers):
    photos, labels = write_pairs(tmp_path)
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:60])
    data = AnnotatedLandscapes(photos, labels, crop=16)
    batches = Batches(data, batch_size=4, num_workers=num_workers)
    with pytest.raises(InputError, match=r"broken pictures in .*, found 1 of 4: 1\.png") as error:
        next(iter(batches))
    assert "\n" not in str(error.value)


def test_photos_without_labels_are_left_out_and_none_at_all_is_an_error(tmp_path):
    photos, labels = write_pairs(tmp_path)
    (labels / "2.png").unlink()
    assert len(AnnotatedLandscapes(photos, labels)) == 3
    for number in (0, 1, 3):
        (labels / f"{number}.png").rename(labels / f"other{number}.png")
    with pytest.raises(InputError, match="found none among 4 photos and 3 labels"):
        AnnotatedLandscapes(photos, labels)
