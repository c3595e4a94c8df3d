import json

import numpy as np
import pytest
from PIL import Image

from stylecinegan.data.annotation_folder import check_folder, label_file, photo_file, write_guide
from stylecinegan.data.annotations import AnnotatedLandscapes
from stylecinegan.data.label_pictures import write_label
from stylecinegan.errors import InputError

CLASSES = np.array([[1] * 8] * 4 + [[0] * 6 + [2] * 2] * 4, np.uint8)
"""Half of it is sky, an eighth is water."""

CORNERS = [[0, 0], [8, 0], [8, 2], [0, 2]]


def draw(*shapes):
    return json.dumps({"shapes": [{"label": label, "points": points} for label, points in shapes]})


@pytest.fixture
def folder(tmp_path):
    """Two labelled photos."""
    write_guide(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("lake", "sea"):
        Image.new("RGB", (8, 8), (90, 120, 150)).save(photo_file(tmp_path, name))
        write_label(label_file(tmp_path, name), CLASSES)
    return tmp_path


def test_the_check_reads_the_same_labels_as_training(folder):
    (folder / "photos/sea.json").write_text(draw(("water", CORNERS)))  # where LabelMe puts it
    check = check_folder(folder)
    assert check.problems == []
    # sky: 1/2 of lake and nothing of sea; water: 1/8 and, drawn over the template, 1/4.
    assert check.summary() == (
        "2 photos, 2 good labels (1 drawn in LabelMe, 0 wholly static): "
        "56.2% static, 25.0% sky, 18.8% water"
    )
    data = AnnotatedLandscapes(check.photos_dir, check.labels_dir, crop=8, flip=False)
    read = [np.asarray(data.read(index)[1]) for index in range(2)]
    assert np.array_equal(read[0], CLASSES)
    assert read[1].tolist() == [[2] * 8] * 2 + [[0] * 8] * 6
    assert set(data[0]["label"].unique().tolist()) <= {0, 1, 2}


def test_a_folder_of_photos_and_their_drawings_is_checked(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "lake.png")
    (tmp_path / "lake.json").write_text(draw(("sky", CORNERS)))
    check = check_folder(tmp_path)
    assert check.problems == []
    assert [share.tolist() for share in check.shares] == [[0.75, 0.25, 0.0]]
    assert len(AnnotatedLandscapes(check.photos_dir, check.labels_dir, crop=8)) == 1


def paint_soft(folder):
    pixels = np.array(Image.open(label_file(folder, "lake")).convert("RGB"))
    pixels[3, 5] = (100, 100, 100)
    Image.fromarray(pixels).save(label_file(folder, "lake"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def rename_to_jpeg(folder):
    label_file(folder, "lake").unlink()
    Image.new("L", (8, 8)).save(folder / "labels/lake.jpg")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (paint_soft, "label lake.png must hold the colours .* with #646464 at pixel (5, 3)"),
        (
            lambda folder: write_label(label_file(folder, "lake"), CLASSES[:, :6]),
            "label lake.png must be 8x8 as its photo, got 6x8",
        ),
        (
            lambda folder: Image.fromarray(CLASSES + 2).save(label_file(folder, "lake")),
            "label lake.png must hold 0 static, 1 sky and 2 water only, got 3 at pixel (0, 0)",
        ),
        (rename_to_jpeg, "label lake.jpg must be a PNG, got .jpg (JPEG mixes the colours)"),
        (
            lambda folder: label_file(folder, "lake").unlink(),
            "photo lake.jpg must have a label lake.png or .json, found none",
        ),
        (
            lambda folder: photo_file(folder, "lake").unlink(),
            "label lake.png must have a photo lake in .*photos, found none",
        ),
        (
            lambda folder: label_file(folder, "lake").write_bytes(b""),
            "label lake.png must hold 0 static, 1 sky and 2 water, got an empty file",
        ),
        (
            lambda folder: label_file(folder, "lake").write_text("not a picture"),
            "label lake.png must be a PNG, got something else",
        ),
        (
            lambda folder: cut(label_file(folder, "lake")),
            "label lake.png must be a whole picture, got a damaged one",
        ),
        (
            lambda folder: cut(photo_file(folder, "lake")),
            "photo lake.jpg must be a whole picture, got a damaged one",
        ),
        (
            lambda folder: (folder / "labels/lake.json").write_text('{"shapes": '),
            "label lake.json must be JSON of LabelMe, got damaged JSON",
        ),
        (
            lambda folder: (folder / "labels/lake.json").write_text(draw(("cloud", CORNERS))),
            "shape 1 of label lake.json must be labelled static, sky, water, got 'cloud'",
        ),
        (
            lambda folder: Image.new("RGB", (8, 8)).save(folder / "photos/lake.png"),
            "photo lake.png must have a name of its own, got that of lake.jpg",
        ),
    ],
)
def test_a_wrong_file_is_reported_in_one_line_with_the_reason(folder, spoil, reason):
    spoil(folder)
    problems = check_folder(folder).problems
    assert len(problems) == 1, problems
    for part in reason.split(".*"):
        assert part in problems[0]
    assert "\n" not in problems[0]


def test_two_drawings_of_a_photo_are_reported(folder):
    for place in ("photos", "labels"):
        (folder / place / "lake.json").write_text(draw(("sky", CORNERS)))
    (problem,) = check_folder(folder).problems
    assert problem.startswith("photo lake must have one drawing, got ")
    assert "photos/lake.json" in problem
    assert "labels/lake.json" in problem


def test_all_wrong_files_are_reported_at_once(folder):
    paint_soft(folder)
    label_file(folder, "sea").write_bytes(b"")
    check = check_folder(folder)
    assert len(check.problems) == 2
    assert check.summary() == "2 photos, 0 good labels"


def test_a_folder_without_photos_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"found nothing at .*nowhere"):
        check_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"wanted pictures .* found none"):
        check_folder(tmp_path)


def test_the_guide_lists_numbers_and_colours_and_is_not_written_twice(tmp_path):
    write_guide(tmp_path / "new")
    guide = tmp_path / "new/README.txt"
    lines = guide.read_text().splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("  ")] == [
        ["0", "static", "#E69F00"],
        ["1", "sky", "#56B4E9"],
        ["2", "water", "#0072B2"],
    ]
    assert (tmp_path / "new/labels.txt").read_text() == "static\nsky\nwater\n"
    guide.write_text("notes of mine")
    write_guide(tmp_path / "new")
    assert guide.read_text() == "notes of mine"
