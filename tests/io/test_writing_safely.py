import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction

import av
import pytest
import torch

from stylecinegan import io
from stylecinegan.errors import InputError
from stylecinegan.io import video_writing
from stylecinegan.io.codecs import CODECS
from stylecinegan.io.frame_encoders import VideoEncoder
from tests.processes import run_code

TARGETS = ["a.mp4", "a.webm", "a.gif", "a.webp", "a.mov", "a.avif", "a.apng", "frames/"]


def frames(num_frames, side=32):
    for _ in range(num_frames):
        yield torch.rand(1, 3, side, side) * 2 - 1


def failing_frames(error):
    yield from frames(6)
    raise error


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt(), OSError("disk")])
def test_an_error_in_the_frames_surfaces_and_leaves_nothing(tmp_path, target, error):
    with pytest.raises(type(error)) as caught:
        io.write_video(f"{tmp_path}/new/{target}", failing_frames(error), fps=30)
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


def test_an_existing_video_stays_untouched_when_writing_fails(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"precious")
    io.write_video(tmp_path / "frames", frames(2), fps=30)
    for target in ("a.mp4", "frames"):
        with pytest.raises(RuntimeError):
            io.write_video(tmp_path / target, failing_frames(RuntimeError()), fps=30)
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
    assert len(list((tmp_path / "frames").iterdir())) == 2
    assert sorted(os.listdir(tmp_path)) == ["a.mp4", "frames"]


def test_an_existing_video_is_replaced_through_a_symbolic_link(tmp_path):
    (tmp_path / "real.gif").write_bytes(b"old")
    (tmp_path / "link.gif").symlink_to("real.gif")
    io.write_video(tmp_path / "link.gif", frames(2), fps=30)
    assert (tmp_path / "link.gif").is_symlink()
    assert (tmp_path / "real.gif").read_bytes().startswith(b"GIF89a")


class BrokenEncoder:
    """Fails at its third frame, as an encoder does whose disk is full."""

    def __init__(self, error):
        self.error = error
        self.num_frames = 0

    def write(self, pixels):
        self.num_frames += 1
        if self.num_frames == 3:
            raise self.error

    def close(self, is_cancelled):
        raise AssertionError("a broken file must not be completed")

    def abort(self):
        raise OSError("and the trailer fails too")


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (MemoryError("encoder"), MemoryError, "encoder"),
        (OSError(28, "No space left on device"), InputError, r"cannot write .*No space left"),
    ],
)
def test_an_error_of_the_encoder_is_raised_before_the_frames_end(
    tmp_path, monkeypatch, error, expected, message
):
    encoder = BrokenEncoder(error)
    monkeypatch.setattr(video_writing, "_encoder", lambda *_: encoder)
    with pytest.raises(expected, match=message):
        io.write_video(tmp_path / "a.mp4", frames(1000, side=8), fps=30)
    assert encoder.num_frames == 3
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_in_one_line(tmp_path):
    code = """
import resource, sys, torch
from stylecinegan import io
from stylecinegan.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
for name in ("a.mp4", "a.gif", "a.webp", "a.webm", "frames/"):
    try:
        io.write_video(f"{sys.argv[1]}/{name}", torch.rand(60, 1, 3, 64, 96), fps=30)
        print("no error")
    except InputError as error:
        print(error)
"""
    done = run_code(code, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all("cannot write" in line and "too large" in line for line in lines), lines
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_no_file(tmp_path):
    code = """
import os, signal, sys, torch
from stylecinegan import io

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs start without

def frames():
    for number in range(100_000):
        if number == 80:  # x264 looks tens of frames ahead before it writes
            print("running", flush=True)
        yield torch.rand(1, 3, 64, 64)

for name in ("a.mp4", "a.gif", "frames/"):
    try:
        io.write_video(f"{sys.argv[1]}/{name}", frames(), fps=30)
    except KeyboardInterrupt:
        print("left:", os.listdir(sys.argv[1]), flush=True)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(3):
            assert process.stdout.readline() == "running\n"
            assert [entry.name[:9] for entry in tmp_path.iterdir()] == [".partial-"]
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "left: []\n"


@pytest.mark.parametrize("target", TARGETS)
def test_a_check_that_raises_after_the_last_frame_cancels_the_writing(tmp_path, target):
    def check():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        # Large enough that the encoder is behind.
        io.write_video(f"{tmp_path}/{target}", frames(6, side=512), fps=30, check=check)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_cancelled_encoder_does_not_flush_all_its_frames(tmp_path, suffix):
    encoder = VideoEncoder(tmp_path / f"a{suffix}", Fraction(30), CODECS[suffix])
    num_frames, asked = 12, []
    for frame in frames(num_frames, side=64):
        encoder.write(io.to_uint8(frame).numpy())

    def is_cancelled():
        asked.append(True)
        return len(asked) == 2

    encoder.close(is_cancelled)
    assert len(asked) == 2
    encoder.abort()
    with av.open(str(tmp_path / f"a{suffix}")) as video:
        assert len(list(video.decode(video=0))) < num_frames


@pytest.mark.parametrize("target", TARGETS)
def test_a_check_that_does_not_raise_changes_nothing(tmp_path, target):
    pictures = list(frames(6))
    for name, check in (("plain", None), ("checked", lambda: None)):
        io.write_video(f"{tmp_path}/{name}/{target}", pictures, fps=30, check=check)
    if target == "a.webm":  # the container holds a random number
        plain, checked = (io.read_video(tmp_path / name / target) for name in ("plain", "checked"))
        for frame, other in zip(plain, checked, strict=True):
            assert torch.equal(frame, other)
        return
    plain, checked = (
        [file.read_bytes() for file in sorted((tmp_path / name).rglob("*.*"))]
        for name in ("plain", "checked")
    )
    assert plain == checked


def test_frames_are_computed_while_earlier_ones_are_encoded_but_not_far_ahead(
    tmp_path, monkeypatch
):
    alive = []

    class SlowEncoder:
        def write(self, pixels):
            assert threading.current_thread() is not threading.main_thread()
            time.sleep(0.02)
            alive.append(-1)

        def close(self, is_cancelled):
            pass

        abort = close

    def counted():
        for image in frames(20, side=8):
            alive.append(1)
            assert sum(alive) <= 6  # one made, four waiting, one being encoded
            yield image

    monkeypatch.setattr(video_writing, "_encoder", lambda *_: SlowEncoder())
    with pytest.raises(InputError, match="No such file"):  # the encoder wrote no file to rename
        io.write_video(tmp_path / "a.mp4", counted(), fps=30)
    assert sum(alive) == 0


def test_a_folder_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "frame_00000.png").write_bytes(b"x")
    (tmp_path / "frames" / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"frame_\*\.png to replace, found thesis\.tex"):
        io.check_writable(tmp_path / "frames")
    with pytest.raises(InputError, match=r"found thesis\.tex"):
        io.write_video(tmp_path / "frames", frames(2), fps=30)
    assert len(list((tmp_path / "frames").iterdir())) == 2


def test_paths_that_cannot_be_written_are_refused_before_the_first_frame(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_text("x")
    cases = {
        "a.avi": r"ending in \.apng, .*\.gif, .*\.mp4, \.webm, \.webp or a folder.*found '\.avi'",
        "folder.mp4": "wanted a file, found a directory",
        "file": "wanted a folder of frames, found a file",
        "file/a.mp4": "is a file and not a folder",
        "file/deeper/a.mp4": "is a file and not a folder|Not a directory",
        "n" * 300 + ".mp4": "too long",
    }

    def untouched():
        raise AssertionError("a frame was computed")
        yield

    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            io.check_writable(tmp_path / name)
        with pytest.raises(InputError, match=message):
            io.write_video(tmp_path / name, untouched(), fps=30)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.mp4"]


def test_devices_are_not_replaced(tmp_path):
    (tmp_path / "a.mp4").symlink_to("/dev/null")
    with pytest.raises(InputError, match="must not be replaced"):
        io.check_writable(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="wanted a folder of frames, found a file"):
        io.check_writable("/dev/null")


def test_checking_creates_nothing(tmp_path):
    io.check_writable(tmp_path / "new" / "deep" / "a.mp4")
    io.check_writable(f"{tmp_path}/new/")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        io.check_writable(tmp_path / "a.mp4")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1e6])
def test_an_impossible_rate_is_refused(tmp_path, fps):
    with pytest.raises(InputError, match="found fps="):
        io.write_video(tmp_path / "a.mp4", frames(2), fps=fps)


def test_no_frame_at_all_and_frames_of_two_sizes_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least one frame, found none"):
        io.write_video(tmp_path / "a.mp4", [], fps=30)
    with pytest.raises(ValueError, match=r"of one size, got \[1, 3, 8, 8\] after \[1, 3, 6, 8\]"):
        io.write_video(tmp_path / "a", [torch.zeros(1, 3, s, 8) for s in (6, 8)], fps=30)
    with pytest.raises(InputError, match="at most 16384 pixels a side"):
        io.write_video(tmp_path / "a.mp4", [torch.zeros(1, 3, 2, 17_000)], fps=30)
    assert list(tmp_path.iterdir()) == []


def test_a_colon_in_a_name_is_not_read_as_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    io.write_video("12:30.mp4", frames(2), fps=30)
    assert len(list(io.read_video("12:30.mp4"))) == 2
