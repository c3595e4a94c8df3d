import base64
import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from stylecinegan import io
from stylecinegan.errors import InputError


def write_drawing(path, *shapes, size=(4, 6), **more):
    document = {
        "version": "5.5.0",
        "shapes": [
            {"label": label, "points": points, "shape_type": kind, "flags": {}, **extra}
            for label, kind, points, *rest in shapes
            for extra in [rest[0] if rest else {}]
        ],
        "imageHeight": size and size[0],
        "imageWidth": size and size[1],
        **more,
    }
    path.write_text(json.dumps(document))
    return path


def in_base64(pixels):
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


LEFT = [[0, 0], [2, 0], [2, 4], [0, 4]]


def test_polygons_of_motion_are_the_mask_and_lines_the_arrows(tmp_path):
    path = write_drawing(
        tmp_path / "lake.json",
        ("motion", "polygon", LEFT),
        ("motion", "rectangle", [[5, 3], [6, 4]]),
        ("hint0", "line", [[1, 1], [1.5, 3]]),
        ("hint1", "linestrip", [[0, 0], [1, 0], [1, 2]]),
    )
    assert io.read_mask(path)[0, 0].tolist() == [[1, 1, 0, 0, 0, 0]] * 3 + [[1, 1, 0, 0, 0, 1]]
    arrows = io.read_labelme(path).arrows((4, 6))
    assert arrows == [[1, 1, 1.5, 3], [[0, 0], [1, 0], [1, 2]]]


@pytest.mark.parametrize("kind", ["rectangle", "rotation", "oriented_rectangle", "quadrilateral"])
def test_four_corners_of_any_name_are_an_area(tmp_path, kind):
    path = write_drawing(tmp_path / "lake.json", ("motion", kind, LEFT), size=(4.0, 6.0))
    assert io.read_mask(path)[0, 0].tolist() == [[1, 1, 0, 0, 0, 0]] * 4


def test_a_drawing_is_scaled_to_the_size_of_the_photo(tmp_path):
    path = write_drawing(
        tmp_path / "lake.json", ("motion", "polygon", LEFT), ("hint", "line", [[0, 0], [3, 4]])
    )
    assert io.read_mask(path, (2, 12))[0, 0].tolist() == [[1] * 4 + [0] * 8] * 2
    assert io.read_labelme(path).arrows((2, 12)) == [[0, 0, 6, 2]]


def test_a_painted_mask_covers_its_pixels_in_the_box_of_its_points(tmp_path):
    painted = np.array([[255, 0], [255, 255]], np.uint8)
    shape = ("sky", "mask", [[3, 1], [4, 2]], {"mask": in_base64(painted)})
    path = write_drawing(tmp_path / "lake.json", shape)
    expected = np.zeros((4, 6))
    expected[1, 3] = expected[2, 3] = expected[2, 4] = 1
    assert (io.read_mask(path)[0, 0].numpy() == expected).all()
    doubled = io.read_mask(path, (8, 12))[0, 0].numpy()
    assert (doubled == expected.repeat(2, 0).repeat(2, 1)).all()


def test_static_shapes_override_earlier_moving_ones(tmp_path):
    path = write_drawing(
        tmp_path / "lake.json",
        ("water", "rectangle", [[0, 0], [6, 4]]),
        ("Static", "rectangle", [[1, 0], [5, 4]]),
    )
    assert io.read_mask(path)[0, 0].tolist() == [[1, 0, 0, 0, 0, 1]] * 4


def test_a_single_unknown_label_moves_and_several_are_refused(tmp_path):
    path = write_drawing(tmp_path / "a.json", ("elwha", "polygon", LEFT))
    assert io.read_mask(path).sum() == 8
    path = write_drawing(tmp_path / "b.json", ("tree", "polygon", LEFT), ("sky", "polygon", LEFT))
    with pytest.raises(InputError, match=r"b\.json: wanted .*'motion'.*'static'.*found 'tree'"):
        io.read_mask(path)


def test_the_size_of_an_old_drawing_is_that_of_the_picture_in_it(tmp_path):
    picture = in_base64(np.zeros((4, 6), np.uint8))
    shape = ("motion", "polygon", LEFT)
    path = write_drawing(tmp_path / "a.json", shape, size=None, imageData=picture)
    assert io.read_mask(path, (2, 12))[0, 0].tolist() == [[1] * 4 + [0] * 8] * 2
    path = write_drawing(tmp_path / "b.json", shape, size=None)
    assert io.read_mask(path, (4, 6)).sum() == 8
    with pytest.raises(InputError, match="does not say the size of its picture"):
        io.read_mask(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"shapes": [', "must be JSON of LabelMe, got damaged JSON"),
        (b'{"arrows": []}', "found no list of shapes"),
        (b'{"shapes": []}', "wanted polygons, rectangles or circles.*found no shapes"),
        (b'{"shapes": [{"label": 3, "points": []}]}', "at least 3 points"),
        (
            b'{"shapes": [{"label": 3, "points": [[0, 0], [1, 1]], "shape_type": "circle"}]}',
            "must have a label, got 3",
        ),
        (
            b'{"shapes": [{"label": "a", "points": [[0, 0], [1, 1]], "shape_type": "mask", '
            b'"mask": "AAAA"}]}',
            "PNG in base64 of 2x2 as its mask, got something else",
        ),
        (
            b'{"shapes": [{"label": "a", "points": [[0, 0], [1, 1]], "shape_type": "spline"}]}',
            "must be a .*got 'spline'",
        ),
        (b'{"shapes": [], "imageHeight": -3, "imageWidth": 5}', "wanted imageHeight"),
    ],
)
def test_a_wrong_drawing_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "lake.json").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        io.read_mask(tmp_path / "lake.json", (4, 6))
    assert "lake.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_painted_mask_of_another_size_than_its_points_say_is_refused(tmp_path):
    shape = ("sky", "mask", [[0, 0], [1, 1]], {"mask": in_base64(np.ones((3, 2), np.uint8))})
    path = write_drawing(tmp_path / "lake.json", shape)
    with pytest.raises(InputError, match="of 2x2 as its mask, got one of 2x3"):
        io.read_labelme(path)


def test_a_drawing_without_lines_has_no_arrows(tmp_path):
    path = write_drawing(tmp_path / "lake.json", ("motion", "polygon", LEFT))
    with pytest.raises(InputError, match="wanted lines along which things move, found only shapes"):
        io.read_labelme(path).arrows((4, 6))
