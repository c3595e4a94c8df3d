import json

import pytest

from stylecinegan.data.marks import read_marks
from stylecinegan.errors import InputError


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"label": "sea", "shape_type": "rectangle", "points": [[0, 0], [9, 9]]}, "labelled 'sea'"),
        ({"label": "sky", "shape_type": "line", "points": [[0, 0], [9, 9]]}, "got a line"),
    ],
)
def test_marks_of_unknown_labels_or_shapes_are_refused(tmp_path, shape, reason):
    (tmp_path / "0.json").write_text(json.dumps({"shapes": [shape]}))
    with pytest.raises(InputError, match=reason):
        read_marks(tmp_path / "0.json", (96, 128))
