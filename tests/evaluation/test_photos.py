import pytest

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.evaluation.photos import Photos


@pytest.fixture
def folder(tmp_path):
    for seed, name in enumerate(("b.png", "a.png", "sub/c.png", "a_mask.png")):
        io.write_image(tmp_path / name, draw_landscape(64, 96, seed).image)
    (tmp_path / "list.txt").write_text("c\nb.png\n")
    return tmp_path


def test_photos_are_iterated_in_the_order_of_their_names(folder):
    photos = Photos(folder, pattern="?.png")
    assert [name for name, _ in photos] == [name for name, _ in photos] == ["a", "b", "c"]
    assert len(photos) == 3


def test_a_list_and_a_number_select_photos_and_a_size_resizes_them(folder):
    photos = Photos(folder, listed=folder / "list.txt", number=1, size=192)
    measured = list(photos)
    assert [name for name, _ in measured] == ["b"]
    assert measured[0][1].shape == (1, 3, 128, 192)


def test_files_beside_a_photo_have_its_folder_and_stem(folder):
    photos = Photos(folder, pattern="?.png")
    assert photos.beside("c", "_mask.png") == folder / "sub/c_mask.png"
    assert photos.beside("a", "_mask.png") == folder / "a_mask.png"


def test_fewer_photos_than_wanted_are_refused(folder):
    with pytest.raises(InputError, match=r"wanted 5 photos in .*, found 2"):
        Photos(folder, listed=folder / "list.txt", number=5)
    with pytest.raises(InputError, match="found 0"):
        Photos(folder, pattern="*.jpg")


@pytest.mark.parametrize("settings", [{"number": 0}, {"number": -1}, {"size": 63}, {"size": "256"}])
def test_numbers_out_of_range_are_refused_before_photos_are_read(folder, settings):
    with pytest.raises(InputError, match="must be a whole number of at least"):
        Photos(folder, **settings)
