import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from stylecinegan.data.label_files import Label, LabelFolder, find_labels
from stylecinegan.data.label_pictures import COLOURS, write_label
from stylecinegan.data.pictures import PictureFolder
from stylecinegan.errors import InputError

CLASSES = np.array([[0, 1, 1, 2], [0, 0, 2, 2], [1, 2, 0, 0]], np.uint8)
PALETTE = np.array(COLOURS, np.uint8)


def read(path):
    return Label(LabelFolder(path.parent), path.name).read((3, 4))


def save(path, pixels, palette=None, **options):
    picture = Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette(np.array(palette, np.uint8).flatten().tolist())
    picture.save(path, **options)
    return path


def test_a_written_label_holds_numbers_and_shows_colours(tmp_path):
    write_label(tmp_path / "lake.png", CLASSES)
    picture = Image.open(tmp_path / "lake.png")
    assert picture.mode == "P"
    assert np.array_equal(np.asarray(picture), CLASSES)
    assert np.array_equal(np.asarray(picture.convert("RGB")), PALETTE[CLASSES])
    assert np.array_equal(read(tmp_path / "lake.png"), CLASSES)


def test_numbers_and_colours_give_the_same_label(tmp_path):
    path = tmp_path / "lake.png"
    colours = PALETTE[CLASSES]
    opaque = np.concatenate([colours, np.full((3, 4, 1), 255, np.uint8)], axis=2)
    for pixels in (CLASSES, colours, opaque):
        assert np.array_equal(read(save(path, pixels)), CLASSES)
    foreign = [(0, 0, 0), (200, 200, 255), (0, 0, 255)]
    assert np.array_equal(read(save(path, CLASSES, foreign)), CLASSES)


def test_a_palette_that_a_paint_program_reordered_is_read_by_colour(tmp_path):
    reordered = [(255, 255, 255), COLOURS[2], COLOURS[0], COLOURS[1]]
    indices = np.array([2, 3, 1], np.uint8)[CLASSES]
    assert np.array_equal(read(save(tmp_path / "lake.png", indices, reordered)), CLASSES)


def test_class_numbers_in_16_bits_or_beside_alpha_are_class_numbers(tmp_path):
    path = tmp_path / "lake.png"
    assert np.array_equal(read(save(path, CLASSES.astype(np.uint16))), CLASSES)
    opaque = Image.fromarray(CLASSES)
    opaque.putalpha(255)
    opaque.save(path)
    assert Image.open(path).mode == "LA"
    assert np.array_equal(read(path), CLASSES)


def test_sky_and_water_painted_on_black_or_on_transparency_leave_the_rest_static(tmp_path):
    path = tmp_path / "lake.png"
    on_black = PALETTE[CLASSES] * (CLASSES > 0)[..., None].astype(np.uint8)
    assert np.array_equal(read(save(path, on_black)), CLASSES)
    assert np.array_equal(read(save(path, erased(on_black, CLASSES == 0))), CLASSES)


def anti_aliased():
    pixels = PALETTE[CLASSES]
    pixels[1, 3] = (100, 120, 140)
    pixels[2, 0] = (1, 2, 3)
    return pixels


def half_erased():
    pixels = np.concatenate([PALETTE[CLASSES], np.full((3, 4, 1), 255, np.uint8)], axis=2)
    pixels[2, 1, 3] = 128
    return pixels


def erased(pixels, where):
    """Makes places transparent."""
    return np.dstack([pixels, np.where(where, 0, 255).astype(np.uint8)])


def with_number(number):
    numbers = CLASSES.copy()
    numbers[2, 3] = number
    return numbers


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (anti_aliased(), r"mode RGB with #64788C at pixel \(3, 1\); wrong pixels: 2 \(paint with"),
        (half_erased(), r"with transparent #0072B2 at pixel \(1, 2\); wrong pixels: 1"),
        (with_number(3), r"1 sky and 2 water only, got 3 at pixel \(3, 2\); wrong pixels: 1"),
        (CLASSES[:2], "must be 4x3 as its photo, got 4x2"),
        (255 * (CLASSES > 0).astype(np.uint8), r"got 255 at .*whether it is sky or water\)"),
        (PALETTE[CLASSES] * (CLASSES != 2)[..., None], r"with #000000 at pixel \(3, 0\)"),
        (erased(PALETTE[CLASSES], CLASSES == 2), r"with transparent #0072B2 at pixel \(3, 0\)"),
        (np.zeros((3, 4, 4), np.uint8), "with transparent #000000 at pixel"),
    ],
)
def test_a_wrong_label_is_refused_with_the_first_wrong_pixel(tmp_path, pixels, reason):
    with pytest.raises(InputError, match=reason) as error:
        read(save(tmp_path / "lake.png", pixels))
    assert "label lake.png must" in str(error.value)


def test_a_colour_added_to_the_palette_is_refused(tmp_path):
    palette = [*COLOURS, (255, 0, 0)]
    with pytest.raises(InputError, match=r"#FF0000 at pixel \(3, 2\)"):
        read(save(tmp_path / "lake.png", with_number(3), palette))


def test_jpeg_labels_are_refused_under_any_name(tmp_path):
    with pytest.raises(InputError, match=r"lake\.jpg must be a PNG, got \.jpg \(JPEG mixes"):
        read(save(tmp_path / "lake.jpg", CLASSES))
    with pytest.raises(InputError, match=r"lake\.png must be a PNG, got a JPEG under its name"):
        read(save(tmp_path / "lake.png", CLASSES, format="JPEG"))


def test_empty_files_are_refused(tmp_path):
    for name in ("lake.png", "lake.json"):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=f"label {name} must hold 0 static.* an empty file"):
            read(tmp_path / name)


SHAPES = {"shapes": [{"label": "sky", "points": [[0, 0], [4, 2]], "shape_type": "rectangle"}]}


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("lake.jpg", "a.b.png"):
        Image.new("RGB", (4, 3)).save(tmp_path / "photos" / name)
    (tmp_path / "labels").mkdir()
    return PictureFolder(tmp_path / "photos")


def test_a_drawing_takes_precedence_over_the_template_in_either_folder(photos, tmp_path):
    labels = tmp_path / "labels"
    for stem in ("lake", "a.b"):
        write_label(labels / f"{stem}.png", CLASSES)
    (labels / "a.b.json").write_text(json.dumps(SHAPES))
    (tmp_path / "photos/lake.json").write_text(json.dumps(SHAPES))
    found = find_labels(photos, labels)
    assert [label.name for label in found["lake"]] == ["lake.json", "lake.png"]
    assert [label.name for label in found["a.b"]] == ["a.b.json", "a.b.png"]
    for candidates in found.values():
        assert candidates[0].read((3, 4)).tolist() == [[1] * 4, [1] * 4, [0] * 4]


def test_photos_are_never_taken_for_labels(photos, tmp_path):
    (tmp_path / "photos/lake.json").write_text(json.dumps(SHAPES))
    assert list(find_labels(photos, tmp_path / "photos")) == ["lake"]


def test_labels_in_a_zip_file_are_read(photos, tmp_path):
    write_label(tmp_path / "lake.png", CLASSES)
    with zipfile.ZipFile(tmp_path / "labels.zip", "w") as archive:
        archive.write(tmp_path / "lake.png", "labels/lake.png")
        archive.writestr("labels/a.b.json", json.dumps(SHAPES))
        archive.writestr("__MACOSX/labels/lake.json", "hidden")
    found = find_labels(photos, tmp_path / "labels.zip")
    assert np.array_equal(found["lake"][0].read((3, 4)), CLASSES)
    assert found["a.b"][0].read((3, 4)).tolist() == [[1] * 4, [1] * 4, [0] * 4]


def test_a_labels_folder_that_does_not_exist_is_named(photos):
    with pytest.raises(InputError, match="a folder or zip file of labels, found none at nowhere"):
        find_labels(photos, "nowhere")
