"""Sessions of the browser app on the command line."""

import json
import shlex
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from stylecinegan.app.edits import Edits, VideoSettings
from stylecinegan.app.session_file import (
    SUFFIX,
    SessionContents,
    command,
    overrides,
    read_session,
    write_session,
)
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


def test_a_bare_session_file_renders_like_session(folder):
    videos = []
    for number, argument in enumerate(("session=saved.stylecinegan", "saved=1.stylecinegan")):
        done = generate(folder, argument, f"video={number}.gif")
        assert done.returncode == 0, done.stderr
        videos.append((folder / f"{number}.gif").read_bytes())
    assert videos[0] == videos[1]


def test_bare_session_files_are_sessions_and_bare_photos_are_photos(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert SESSION_SUFFIX == SUFFIX
    for name in ("saved.stylecinegan", "saved=1.stylecinegan"):
        assert read_arguments("generate", [name, "num_frames=9"]) == [
            f"session={name}",
            "num_frames=9",
        ]
    (folder / "lake.jpg").touch()
    assert read_arguments("generate", ["lake.jpg"]) == ["photo=lake.jpg"]


def test_settings_take_precedence_over_the_camera_of_a_session(folder):
    files = {"photo.png": encode(to_uint8(draw_landscape(48, 64, seed=1).image).numpy())}
    edits = Edits(text="left", camera="push", camera_amount=0.2)
    contents = SessionContents("lake", edits, VideoSettings(format="gif", num_frames=3), files)
    (folder / "push.stylecinegan").write_bytes(write_session(contents))
    videos = {}
    for name, arguments in (
        ("session", ["push.stylecinegan"]),
        ("still", ["push.stylecinegan", "camera=none"]),
        ("typed", ["still.stylecinegan", "camera=push", "camera_amount=0.2"]),
    ):
        done = generate(folder, *arguments, f"video={name}.gif")
        assert done.returncode == 0, done.stderr
        videos[name] = (folder / f"{name}.gif").read_bytes()
        still = SessionContents("lake", replace(edits, camera="none"), contents.video, files)
        (folder / "still.stylecinegan").write_bytes(write_session(still))
    assert videos["session"] == videos["typed"] != videos["still"]


def test_the_command_of_a_session_renders_the_video_of_the_session(folder):
    photo = encode(to_uint8(draw_landscape(48, 64, seed=1).image).numpy())
    (folder / "shore.png").write_bytes(photo)
    edits = Edits(
        arrows=(((0.2, 0.2), (0.6, 0.25), (0.7, 0.3)),),
        anchors=((0.5, 0.4),),
        text="clouds drift left, slow",
        speed=2.5,
        camera="push",
        camera_amount=0.1,
    )
    video = VideoSettings(format="gif", num_frames=3, fps=12, size=80)
    contents = SessionContents("shore", edits, video, {"photo.png": photo})
    (folder / "shore.stylecinegan").write_bytes(write_session(contents))
    line = command(overrides(edits, video, {"photo": "shore.png"}), "typed.gif")
    program, name, *arguments = shlex.split(line)
    assert (program, name) == ("stylecinegan", "generate")
    for given in (arguments, ["shore.stylecinegan"]):
        done = generate(folder, *given)
        assert done.returncode == 0, done.stderr
    assert (folder / "typed.gif").read_bytes() == (folder / "shore.gif").read_bytes()


def test_sessions_with_the_camera_among_the_video_settings_are_read(folder, tmp_path):
    with zipfile.ZipFile(folder / "saved.stylecinegan") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    settings = json.loads(files["session.json"])
    del settings["edits"]["camera"], settings["edits"]["camera_amount"]
    settings["video"]["camera"] = "slide"
    with zipfile.ZipFile(tmp_path / "earlier.stylecinegan", "w") as archive:
        for name, data in {**files, "session.json": json.dumps(settings)}.items():
            archive.writestr(name, data)
    contents = read_session(tmp_path / "earlier.stylecinegan")
    assert contents.edits == Edits(text="left", camera="slide")
    assert contents.video == VideoSettings(format="gif", num_frames=3)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["none.stylecinegan"], "found no file none.stylecinegan"),
        (["saved.stylecinegan", "session=saved.stylecinegan"], r"wanted one session= \(a file\)"),
        (["saved.stylecinegan", "saved=1.stylecinegan"], r"wanted one session= \(a file\)"),
    ],
)
def test_a_missing_session_and_two_sessions_are_refused(folder, monkeypatch, arguments, wanted):
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=wanted):
        read_arguments("generate", arguments)
