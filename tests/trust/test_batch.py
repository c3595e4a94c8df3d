import gc
import json
import os
import re
from pathlib import Path

import pytest
import torch

from stylecinegan import StyleCineGAN, io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.motion.controls.controls import directed_motion
from tests.tiny_model import write_example
from tests.trust.test_generation_faults import names


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Fifty photos, the 13th of them broken."""
    folder = tmp_path_factory.mktemp("batch")
    write_example(folder)
    (folder / "photos").mkdir()
    for number in range(50):
        image = draw_landscape(32, 40, seed=number).image
        io.write_image(folder / f"photos/{number:02d}.png", image)
    (folder / "photos/12.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (folder / "photos/notes.txt").write_text("not a photo")
    return folder


def arguments(folder, *more):
    return [
        f"photo={folder}/photos/",
        f"mask={folder}/mask.png",
        f"model.directory={folder}/model",
        f"video={folder}/videos",
        "num_frames=2",
        "motion=left",
        "device=cpu",
        *more,
    ]


def test_one_broken_photo_among_fifty_costs_one_line_and_the_rest_is_resumable(folder, start):
    job = start("generate.py", *arguments(folder), cwd=folder).wait(120)
    assert job.status == 1
    expected = [f"{number:02d}.mp4" for number in range(50) if number != 12]
    assert names(folder / "videos") == [*expected, "failures.jsonl"]
    (failure,) = (folder / "videos/failures.jsonl").read_text().splitlines()
    assert json.loads(failure)["source"] == f"{folder}/photos/12.png"
    # A line for each video and none of its steps.
    assert sum("the video is in" in line for line in job.output.splitlines()) == 49
    assert "render and encode" not in job.output
    about_it = [line for line in job.output.splitlines() if "12.png" in line]
    assert len(about_it) == 1, job.output
    assert job.errors == [f"error: 1 of 50 failed, listed in {folder}/videos/failures.jsonl"]
    # Again: only what is missing is made.
    times = {path: path.stat().st_mtime_ns for path in (folder / "videos").glob("*.mp4")}
    (folder / "videos/30.mp4").unlink()
    io.write_image(folder / "photos/12.png", draw_landscape(32, 40, seed=12).image)
    job = start("generate.py", *arguments(folder, "skip_existing=true"), cwd=folder).wait()
    assert job.status == 0, job.output
    assert len(names(folder / "videos")) == 50
    kept = [path for path, before in times.items() if path.stat().st_mtime_ns == before]
    assert len(kept) == 48
    job = start("generate.py", *arguments(folder, "skip_existing=true"), cwd=folder).wait()
    assert job.status == 0
    assert "all videos exist already" in job.output


@pytest.mark.parametrize(
    "variables", [("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")]
)
def test_processes_share_a_folder_and_none_does_what_another_did(
    folder, tmp_path, start, variables
):
    for number in range(5):
        io.write_image(tmp_path / f"{number}.png", draw_landscape(32, 40, seed=number).image)
    given = arguments(folder, f"photo={tmp_path}", f"video={tmp_path}/videos")
    jobs = [
        start(
            "generate.py",
            *given,
            cwd=tmp_path,
            environment=dict(zip(variables, (str(number), "2"), strict=True)),
        )
        for number in range(2)
    ]
    made = []
    for job in jobs:
        assert job.wait().status == 0, job.output
        made.append(re.findall(r"the video is in .*/(\d)\.mp4", job.output))
    assert made == [["0", "2", "4"], ["1", "3"]]
    assert names(tmp_path / "videos") == [f"{number}.mp4" for number in range(5)]
    assert "share 1/2: 2 of 5 videos, 0 of which exist already" in jobs[1].output


def test_failures_under_torchrun_are_listed_and_the_status_is_zero(folder, tmp_path, start):
    # torchrun ends all processes as soon as one of them fails.
    io.write_image(tmp_path / "a.png", draw_landscape(32, 40).image)
    (tmp_path / "b.png").write_bytes(b"broken")
    (tmp_path / "c.png").write_bytes(b"broken")
    given = arguments(folder, f"photo={tmp_path}", f"video={tmp_path}/videos")
    environment = {"RANK": "0", "WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "none"}
    job = start("generate.py", *given, cwd=tmp_path, environment=environment).wait()
    assert job.status == 0, job.output
    assert "2 of 3 failed, listed in" in job.output
    assert names(tmp_path / "videos") == ["a.mp4", "failures.jsonl"]
    failures = (tmp_path / "videos/failures.jsonl").read_text().splitlines()
    assert [Path(json.loads(line)["source"]).name for line in failures] == ["b.png", "c.png"]


def test_a_folder_without_photos_and_a_video_file_for_many_are_refused(folder, start):
    (folder / "empty").mkdir()
    for override, message in {
        f"photo={folder}/empty": "wanted photos",
        f"video={folder}/x.mp4": "video must be a folder for many photos",
    }.items():
        job = start("generate.py", *arguments(folder, override), cwd=folder).wait()
        assert job.status == 1
        assert message in job.errors[0]


def resident():
    """Memory of this process, bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def tensor_bytes():
    """Memory of all tensors of this process, those of shared storage counted each, bytes."""
    gc.collect()
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    return sum(tensor.nbytes for tensor in tensors)


@pytest.mark.parametrize("num", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_memory_stays_flat_over_many_cinemagraphs(folder, tmp_path, num):
    model = StyleCineGAN.load(folder / "model")
    mask = io.read_mask(folder / "mask.png", (64, 96))
    motion = directed_motion("left", mask)
    usage, held = [], []
    for number in range(num):
        photo = draw_landscape(64, 96, seed=number % 5).image
        with torch.inference_mode():
            loop = model.animate(photo, 3, mask=mask, motion=motion)
            io.write_video(tmp_path / f"a.{('mp4', 'gif')[number % 2]}", loop.frames, fps=10)
        usage.append(resident())
        if number in (num // 4, num - 1):
            held.append(tensor_bytes())
    assert held[1] <= held[0]
    # Caches fill during the first quarter.
    settled = usage[num // 4]
    assert max(usage[num // 4 :]) < 1.05 * settled, [u >> 20 for u in usage[:: num // 10]]
