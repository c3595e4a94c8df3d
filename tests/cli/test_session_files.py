"""Sessions of the browser app on the command line."""

import numpy as np
import pytest
import torch

from stylecinegan.app.edits import Edits, VideoSettings
from stylecinegan.app.session_file import SUFFIX, SessionContents, write_session
from stylecinegan.cli.arguments import SESSION_SUFFIX, read_arguments
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.io import to_uint8
from tests.app.serving import encode
from tests.mask.decided import write_model
from tests.processes import run_script


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that moves everything, and a session."""
    folder = tmp_path_factory.mktemp("sessions")
    torch.manual_seed(0)
    write_model(folder / "model", 1)
    photo = encode(to_uint8(draw_landscape(48, 64, seed=1).image).numpy())
    remove = np.zeros((48, 64), np.uint8)
    remove[24:] = 255
    contents = SessionContents(
        "lake",
        Edits(text="left"),
        VideoSettings(format="gif", num_frames=3),
        {"photo.png": photo, "mask_remove.png": encode(remove)},
    )
    (folder / "saved=1.stylecinegan").write_bytes(write_session(contents))
    (folder / "saved.stylecinegan").write_bytes(write_session(contents))
    return folder


def generate(folder, *arguments):
    return run_script("generate.py", *arguments, "model.directory=model", "device=cpu", cwd=folder)


def test_a_bare_session_renders_as_with_its_key(folder):
    videos = []
    for number, argument in enumerate(("session=saved.stylecinegan", "saved=1.stylecinegan")):
        done = generate(folder, argument, f"video={number}.gif")
        assert done.returncode == 0, done.stderr
        videos.append((folder / f"{number}.gif").read_bytes())
    assert videos[0] == videos[1]


def test_a_bare_session_is_a_session_and_a_bare_photo_a_photo(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert SESSION_SUFFIX == SUFFIX
    for name in ("saved.stylecinegan", "saved=1.stylecinegan"):
        assert read_arguments("generate", [name, "num_frames=9"]) == [
            f"session={name}",
            "num_frames=9",
        ]
    (folder / "lake.jpg").touch()
    assert read_arguments("generate", ["lake.jpg"]) == ["photo=lake.jpg"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["none.stylecinegan"], "found no file none.stylecinegan"),
        (["saved.stylecinegan", "session=saved.stylecinegan"], r"wanted one session= \(a file\)"),
        (["saved.stylecinegan", "saved=1.stylecinegan"], r"wanted one session= \(a file\)"),
    ],
)
def test_a_session_that_is_not_there_and_two_at_once_are_refused(
    folder, monkeypatch, arguments, wanted
):
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=wanted):
        read_arguments("generate", arguments)
