"""What goes wrong while a cinemagraph is made: what was there stays whole, and nothing is left."""

import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from stylecinegan import io
from tests.tiny_model import write_example

OLD = b"precious"
# Without a home the operators would be compiled anew each time.
WITHOUT_COMPILER = {"PATH": "/nonexistent"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    write_example(folder)
    return folder


def arguments(folder, video, num_frames=20):
    return [
        f"photo={folder}/photo.png",
        f"mask={folder}/mask.png",
        f"model.directory={folder}/model",
        f"video={video}",
        f"num_frames={num_frames}",
        "motion=left",
        "device=cpu",
    ]


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def wait_for_partial(folder, job):
    # A file with a suffix or a folder with frames: the early check for a writable place leaves
    # a nameless one for a moment.
    while job.is_running() and not any(
        list(folder.glob(pattern)) for pattern in ("**/.partial-*.*", "**/.partial-*/*")
    ):
        time.sleep(0.002)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_leaves_the_old_video_and_nothing_else(
    folder, tmp_path, start, number
):
    target = tmp_path / "a.mp4"
    target.write_bytes(OLD)
    begin = time.monotonic()
    assert (
        start("generate.py", *arguments(folder, tmp_path / "b.mp4"), cwd=tmp_path).wait().status
        == 0
    )
    (tmp_path / "b.mp4").unlink()
    length = time.monotonic() - begin
    moments = random.Random(int(number))
    for _ in range(3):
        job = start("generate.py", *arguments(folder, target), cwd=tmp_path)
        time.sleep(moments.uniform(0, length))
        job.send(number)
        job.wait()
        assert names(tmp_path) == ["a.mp4"]
        if target.read_bytes() != OLD:  # it was finished already
            assert len(list(io.read_video(target))) == 20
            target.write_bytes(OLD)
        else:
            assert job.status != 0
    # While frames are being written: cleaned up, and said so.
    job = start("generate.py", *arguments(folder, target, 5000), cwd=tmp_path)
    wait_for_partial(tmp_path, job)
    job.send(number)
    assert job.wait().status == 1
    assert "stopped" in job.output
    assert target.read_bytes() == OLD
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("target", ["a.mp4", "a.gif", "frames/"])
def test_a_file_that_cannot_grow_is_reported_in_one_line_and_leaves_what_was_there(
    folder, tmp_path, start, target
):
    if not target.endswith("/"):
        (tmp_path / target).write_bytes(OLD)
    before = names(tmp_path)
    video = f"{tmp_path}/{target}"
    limit = 2500 if target == "a.mp4" else 6000  # bytes of any file, also of the job's own output
    job = start("generate.py", *arguments(folder, video), cwd=tmp_path, file_limit=limit).wait()
    assert job.status == 1
    assert len(job.errors) == 1
    assert "cannot write" in job.errors[0]
    assert names(tmp_path) == before
    if before:
        assert (tmp_path / target).read_bytes() == OLD


def test_a_disk_that_runs_full_keeps_the_old_video(folder, tmp_path, start, small_disk):
    (small_disk / "a.mp4").write_bytes(OLD)
    (small_disk / "ballast").write_bytes(bytes(62 * 4096))
    job = start("generate.py", *arguments(folder, small_disk / "a.mp4", 120), cwd=tmp_path).wait()
    assert job.status == 1
    assert "No space left on device" in job.errors[0]
    assert (small_disk / "a.mp4").read_bytes() == OLD
    assert names(small_disk) == ["a.mp4", "ballast"]


@pytest.mark.parametrize("target", ["a.mp4", "a.webm", "frames/"])
def test_an_output_folder_that_is_removed_meanwhile_is_reported_in_one_line(
    folder, tmp_path, start, target
):
    out = tmp_path / "out"
    out.mkdir()
    job = start("generate.py", *arguments(folder, f"{out}/{target}", 400), cwd=tmp_path)
    wait_for_partial(out, job)
    # At once: a folder that is emptied file by file may get another frame before it goes.
    shutil.rmtree(out.rename(tmp_path / "gone"))
    assert job.wait().status == 1
    assert len(job.errors) == 1, job.output
    assert "cannot write" in job.errors[0]
    assert not list(tmp_path.rglob(".partial-*"))


@pytest.mark.parametrize("target", ["a.mp4", "frames/"])
def test_jobs_with_the_same_output_leave_one_whole_result(folder, tmp_path, start, target):
    video = f"{tmp_path}/{target}"
    jobs = [start("generate.py", *arguments(folder, video), cwd=tmp_path) for _ in range(3)]
    statuses = [job.wait().status for job in jobs]
    assert 0 in statuses
    for job in jobs:
        assert job.status == 0 or "cannot write" in job.errors[0], job.output
    assert len(list(io.read_video(video))) == 20
    assert [path.name for path in tmp_path.iterdir()] == [target.rstrip("/")]


def can_become_a_stranger():
    """Only root can, and only where the interpreter is everybody's to read."""
    library = Path(os.__file__).resolve()
    is_readable = all(path.stat().st_mode & 0o001 for path in library.parents)
    return os.geteuid() == 0 and is_readable


@pytest.mark.skipif(not can_become_a_stranger(), reason="cannot become somebody without a home")
def test_another_user_without_a_home_folder_renders_with_a_read_only_checkpoint(start):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_example(folder)
        (folder / "out").mkdir()
        (folder / "out").chmod(0o777)
        folder.chmod(0o755)
        (folder / "model").chmod(0o555)
        before = names(folder)
        job = start(
            "generate.py",
            *arguments(folder, folder / "out/a.gif", 3),
            cwd=folder,
            environment=WITHOUT_COMPILER,
            unset=["HOME", "XDG_CACHE_HOME"],
            uid=61_234,  # nobody has this number
        ).wait()
        assert job.status == 0, job.output
        assert names(folder) == sorted([*before, "a.gif"])


@pytest.mark.parametrize("home", ["/nonexistent", ""])
def test_a_video_is_written_where_the_home_folder_cannot_be_used(folder, tmp_path, start, home):
    job = start(
        "generate.py",
        *arguments(folder, tmp_path / "a.gif", 3),
        cwd=tmp_path,
        environment={"HOME": home, **WITHOUT_COMPILER},
        unset=["XDG_CACHE_HOME"],
    ).wait()
    assert job.status == 0, job.output
    assert names(tmp_path) == ["a.gif"]
