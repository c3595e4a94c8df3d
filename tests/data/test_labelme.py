import json

import numpy as np
import pytest

from stylecinegan.data.labelme import read_drawing
from stylecinegan.errors import InputError
from stylecinegan.io.shapes import cover_polygon


def drawing(*shapes, size=(4, 6), **more):
    document = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [
            {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}}
            for label, kind, points in shapes
        ],
        "imagePath": "lake.jpg",
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
        **more,
    }
    return json.dumps(document).encode()


SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2]]


def test_a_rectangle_covers_the_pixels_whose_centres_it_contains():
    # Opposite corners in any order; 0.6 leaves out the centre at 0.5, 3.5 takes that at 2.5.
    text = drawing(
        ("sky", "rectangle", [[4, 3], [1, 1]]), ("water", "rectangle", [[4.6, 0], [6, 3.4]])
    )
    assert read_drawing(text, "lake.json", (4, 6)).tolist() == [
        [0, 0, 0, 0, 0, 2],
        [0, 1, 1, 1, 0, 2],
        [0, 1, 1, 1, 0, 2],
        [0, 0, 0, 0, 0, 0],
    ]


def test_a_triangle_covers_the_centres_on_its_side_of_the_slope():
    # Centres with x + y < 4: column + row + 1 < 4.
    covered = cover_polygon(np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]), (4, 5))
    assert covered.astype(int).tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_a_concave_polygon_does_not_cover_its_dent():
    # A U: the middle columns of its upper two rows are outside.
    points = [[0, 0], [1, 0], [1, 2], [3, 2], [3, 0], [4, 0], [4, 3], [0, 3]]
    covered = cover_polygon(np.array(points, float), (4, 4))
    assert covered.astype(int).tolist() == [
        [1, 0, 0, 1],
        [1, 0, 0, 1],
        [1, 1, 1, 1],
        [0, 0, 0, 0],
    ]


def test_adjacent_polygons_neither_overlap_nor_leave_a_gap():
    random = np.random.default_rng(0)
    corners = np.array([[0, 0], [20, 0], [20, 16], [0, 16]], float)
    for _ in range(20):
        middle = random.uniform(0, 16, 2)
        count = sum(
            cover_polygon(np.stack([corners[i], corners[(i + 1) % 4], middle]), (16, 20)).astype(
                int
            )
            for i in range(4)
        )
        assert (count == 1).all()


def test_a_circle_covers_the_centres_within_its_radius():
    # Of the centres around (2, 2) the corners are 2.12 away, the next ones 1.58.
    text = drawing(("water", "circle", [[2, 2], [3.6, 2]]), size=(4, 4))
    assert read_drawing(text, "lake.json", (4, 4)).tolist() == [
        [0, 2, 2, 0],
        [2, 2, 2, 2],
        [2, 2, 2, 2],
        [0, 2, 2, 0],
    ]


def test_later_shapes_override_earlier_ones():
    text = drawing(
        ("sky", "polygon", [[0, 0], [6, 0], [6, 2], [0, 2]]),
        ("water", "rectangle", [[0, 1], [4, 4]]),
        ("static", "rectangle", [[1, 0], [2, 4]]),
    )
    assert read_drawing(text, "lake.json", (4, 6)).tolist() == [
        [1, 0, 1, 1, 1, 1],
        [2, 0, 2, 2, 1, 1],
        [2, 0, 2, 2, 0, 0],
        [2, 0, 2, 2, 0, 0],
    ]


def test_shapes_that_leave_the_picture_are_cut_at_its_border():
    text = drawing(("sky", "polygon", [[-3, -5], [9, -5], [9, 1], [-3, 1]]))
    assert read_drawing(text, "lake.json", (4, 6)).tolist() == [[1] * 6] + [[0] * 6] * 3


def test_old_files_without_sizes_and_shape_types_are_read():
    document = {"shapes": [{"label": "sky", "points": SQUARE}]}
    classes = read_drawing(json.dumps(document).encode(), "lake.json", (3, 3))
    assert classes.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"shapes": [', "label lake.json must be JSON of LabelMe, got damaged JSON"),
        (b"\xff\xd8\xff\xe0", "got damaged JSON"),
        (b"[" * 100_000, "got damaged JSON"),
        (b"[1, 2]", "found no list of shapes"),
        (b'{"shapes": [3]}', "shape 1 of label lake.json must be a JSON object, got 3"),
        (drawing(), "must hold shapes, got none"),
        (drawing(("sky", "polygon", SQUARE), size=(8, 6)), "must be 6x4 as its photo, got 6x8"),
        (
            drawing(("sky", "polygon", SQUARE), ("cloud", "polygon", SQUARE)),
            "shape 2 of label lake.json must be labelled static, sky, water, got 'cloud'",
        ),
        (drawing((["sky"], "polygon", SQUARE)), "must be labelled static, sky, water"),
        (
            drawing(("sky", "linestrip", SQUARE)),
            "must be a polygon, rectangle, circle, got 'linestrip'",
        ),
        (drawing(("sky", ["polygon"], SQUARE)), "must be a polygon, rectangle, circle"),
        (
            drawing(("sky", "polygon", SQUARE[:2])),
            "must have at least 3 points as a polygon, got 2",
        ),
        (drawing(("sky", "circle", SQUARE)), "must have 2 points as a circle, got 4"),
        (drawing(("sky", "polygon", [[0, 0], [1], [2, 2]])), "must have points [x, y]"),
        (drawing(("sky", "polygon", [0, 0, 2, 0, 2, 2])), "in finite pixels, got 0"),
        (drawing(("sky", "polygon", [["0", "1"]] * 3)), "in finite pixels, got ['0', '1']"),
        (drawing(("sky", "polygon", None)), "must have a list of points [x, y], got None"),
        (
            drawing(("sky", "polygon", [[0, 0], [3, float("nan")], [2, 2]])),
            "must have points [x, y] in finite pixels, got [3, nan]",
        ),
        (drawing(("sky", "rectangle", [[0, 0], [float("inf"), 3]])), "got [inf, 3]"),
        (drawing(("sky", "rectangle", [[0, 0], [3, 1e300]])), "got [3, 1e+300]"),
        (drawing(("sky", "rectangle", [[0, 0], [3, 10**400]])), "in finite pixels"),
    ],
)
def test_a_wrong_drawing_is_named_with_the_reason(text, reason):
    with pytest.raises(InputError) as error:
        read_drawing(text, "lake.json", (4, 6))
    assert reason in str(error.value)
    assert "lake.json" in str(error.value)
    assert "\n" not in str(error.value)
