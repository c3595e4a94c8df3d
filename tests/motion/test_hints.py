import json

import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.motion.controls import Hints, controlled_motion, read_hints, write_hints
from stylecinegan.motion.controls.hints import combine_hints

HINTS = Hints(
    arrows=[[[0.1, 0.2], [0.3, 0.2], [0.4, 0.3]]],
    anchors=[[0.5, 0.9], [[0.1, 0.8], [0.2, 0.9]]],
    anchor_radius=0.1,
    text="clouds still",
    speed=1.5,
    speeds={"sky": 0.5},
)


def test_hints_are_read_as_they_were_written(tmp_path):
    write_hints(tmp_path / "hints.json", HINTS)
    assert read_hints(tmp_path / "hints.json") == HINTS


def test_a_file_may_hold_only_some_hints(tmp_path):
    path = tmp_path / "hints.json"
    path.write_text('{"text": "very slow"}')
    assert read_hints(path) == Hints(text="very slow")


def test_hints_are_the_controls_of_a_motion():
    mask = torch.ones(1, 1, 20, 20)
    motion = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 20, 20)
    hints = Hints(arrows=[[0.5, 0.2, 0.5, 0.8]], speed=None)
    turned = controlled_motion(motion, mask, **hints.controls())
    assert turned[0, :, 10, 10].tolist() == pytest.approx([0.0, 1.0], abs=1e-6)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("arrows", "must hold JSON"),
        ("[" * 100_000, "must hold JSON"),
        ("[]", "must hold an object"),
        ('{"arrow": []}', "got arrow"),
        ('{"version": 2}', "version 1, got 2"),
        ('{"arrows": [[[0.1, 0.2], [30, 40]]]}', r"normalised coordinates.*30"),
        ('{"arrows": [[[0.1, "a"], [0.2, 0.3]]]}', "arrows must be"),
        ('{"anchors": [[0.1]]}', "anchors must be"),
        ('{"anchors": 1}', "anchors must be a list"),
        ('{"text": "clouds sideways"}', "unknown word 'sideways'"),
        ('{"speeds": {"sky": "fast"}}', "speeds.sky must be a number"),
        ('{"speed": NaN}', "speed must be at least 0"),
        ('{"anchor_radius": null}', "anchor_radius must be a number"),
    ],
)
def test_an_invalid_file_is_refused_in_one_line(tmp_path, content, reason):
    path = tmp_path / "hints.json"
    path.write_text(content)
    with pytest.raises(InputError, match=reason) as refusal:
        read_hints(path)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.json"):
        read_hints(tmp_path / "none.json")


def test_controls_in_pixels_are_merged_into_normalised_hints():
    combined = combine_hints(
        HINTS, (100, 200), arrows=[[20, 40, 60, 40]], anchors=[[100, 50]], text="slow"
    )
    assert combined.arrows == [HINTS.arrows[0], [[0.1, 0.4], [0.3, 0.4]]]
    assert combined.anchors == [*HINTS.anchors, [[0.5, 0.5]]]
    assert combined.text == "clouds still, slow"
    assert combined.speed == 1.5
    assert combined.speeds == {"sky": 0.5}


def test_hint_files_are_plain_json(tmp_path):
    write_hints(tmp_path / "hints.json", HINTS)
    entries = json.loads((tmp_path / "hints.json").read_text())
    assert entries["version"] == 1
    assert entries["arrows"] == HINTS.arrows
