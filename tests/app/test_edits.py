import json

import pytest

from stylecinegan.app.edits import Edits, parse_edits, parse_video_settings
from stylecinegan.app.settings import Limits
from stylecinegan.errors import InputError

STROKE = {"kind": "stays", "points": [[0.1, 0.2], [0.3, 0.4]], "radius": 0.02}


def test_edits_survive_json():
    edits = parse_edits(
        {
            "strokes": [STROKE, {**STROKE, "kind": "erase", "follows_edges": False}],
            "arrows": [[[0.1, 0.1], [0.2, 0.3], [0.5, 0.5]]],
            "anchors": [[0.5, 0.5]],
            "text": "clouds drift left",
            "speed_sky": 0.5,
            "has_style": True,
            "camera": "slide",
            "camera_amount": 0.2,
        }
    )
    assert parse_edits(json.loads(json.dumps(edits.to_json()))) == edits
    assert edits.strokes[0].follows_edges
    assert parse_edits({}) == Edits()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "edits must be an object"),
        ({"path": "/etc/passwd"}, "got 'path'"),
        ({"speed": float("nan")}, "speed must be a number from 0 to 20"),
        ({"speed": "1"}, "speed must be a number"),
        ({"speed": True}, "speed must be a number"),
        ({"speed": 10**400}, "speed must be a number"),
        ({"region": "../sky"}, "region must be one of auto, sky, water"),
        ({"region": ["sky"]}, "region must be one of"),
        ({"text": "${oc.env:HOME}"}, "text must be plain words"),
        ({"text": "left" * 200}, "at most 300 characters"),
        ({"text": 3}, "text must be plain words"),
        ({"camera": "fly"}, "camera must be one of none, push, slide, got 'fly'"),
        ({"camera_amount": 0}, "camera_amount must be a number from 0.001 to 0.2"),
        ({"has_style": 1}, "has_style must be true or false"),
        ({"strokes": {}}, "strokes must be a list"),
        ({"strokes": [STROKE] * 6000}, "a list of at most 5000"),
        ({"strokes": [{**STROKE, "kind": "burns"}]}, "kind of a stroke must be one of"),
        ({"strokes": [{**STROKE, "radius": 9}]}, "radius of a stroke"),
        ({"strokes": [{**STROKE, "points": []}]}, "at least 1 points"),
        ({"strokes": [{**STROKE, "points": [[1e9, 0]]}]}, "a place of a stroke"),
        ({"strokes": [{**STROKE, "points": [[0]]}]}, r"points \[x, y\]"),
        ({"strokes": [{"kind": "stays"}]}, "a stroke must be a list"),
        ({"strokes": [{**STROKE, "points": [[0.1, 0.1]] * 60000}] * 2}, "100000 points"),
        ({"arrows": [[[0.5, 0.5]]]}, "an arrow must have at least 2"),
        ({"arrows": [[[0.5, 0.5], [0.5, 0.5]]]}, "an arrow must have a length"),
        ({"arrows": [[[0.5, 0.5], [1.5, 0.5]]]}, "from 0 to 1"),
        ({"anchors": [["a", "b"]]}, "a place of anchors"),
    ],
)
def test_invalid_edits_are_refused_in_one_short_line(entries, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_edits(entries)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": "exe"}, "format must be one of mp4, webm, webp, gif"),
        ({"format": "../a.mp4"}, "format must be one of"),
        ({"num_frames": 1}, "num_frames must be a number from 2 to 600"),
        ({"num_frames": 10**9}, "num_frames must be"),
        ({"num_frames": 2.5}, "a whole number"),
        ({"fps": 0}, "fps must be"),
        ({"size": 100000}, "size must be a number from 64 to 4096"),
        ({"video": "a.mp4"}, "got 'video'"),
    ],
)
def test_invalid_video_settings_are_refused(entries, message):
    with pytest.raises(InputError, match=message):
        parse_video_settings(entries, Limits())
