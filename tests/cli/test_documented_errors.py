"""User errors in every command: one line, status 1, nothing written."""

import re
import signal
from itertools import chain

import pytest
from hydra.core.global_hydra import GlobalHydra

from stylecinegan import io
from stylecinegan.cli.help_page import read_sections
from stylecinegan.cli.main import run
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.resources import CONFIGS_DIR
from tests.tiny_model import write_example

COMPLETE = {
    "generate": ["photo=photo.png", "model.directory=model", "video=v.mp4", "device=cpu"],
    "style_sheet": ["photo=photo.png", "model.directory=model", "device=cpu"],
    "annotate": ["photos=photos", "folder=labels", "model.directory=model", "device=cpu"],
    "benchmark": ["suite=splat", "device=cpu"],
    "user_study": ["videos=videos", "photos=photos"],
    "prepare_data": ["task=motion", "source=photos", "output=pairs"],
    "evaluate": ["table=mask", "model.directory=model"],
    "app": ["--no-browser"],
    "train": ["experiment=autoencoder", "data.dir=photos", "data.held_out=null", "device=cpu"],
}
"""Valid arguments, to which each case adds an invalid one."""

ERRORS = [
    ("generate", "device=cuda:99", "device must be auto, cpu or cuda, got cuda:99"),
    ("generate", "precision=fp8", "precision must be one of fp32, bf16, fp16, got fp8"),
    ("generate", "photo=gone.jpg", "cannot read gone.jpg: wanted a photo, found no such file"),
    ("generate", "video=v.avi", "wanted a name ending in"),
    ("generate", "video=lake.v2/", "video must be a folder whose name has no ending"),
    ("generate", "share=3/3", "share must be auto, all, or one of 0/8"),
    ("generate", "anchor_radius=null", "anchor_radius must be a number of at least 0"),
    ("generate", "seed=1", "got photo and seed"),
    ("generate", "camera=fly", "camera must be one of none, push, slide, got fly"),
    ("generate", "camera=push depth=gone.png", "cannot read gone.png"),
    ("style_sheet", "precision=fp8", "precision must be one of"),
    ("style_sheet", "device=cuda:99", "device must be"),
    ("style_sheet", "strengths=[a]", "strengths must be numbers"),
    ("style_sheet", "sheet=s.txt", "wanted a name ending in"),
    ("annotate", "photos=nowhere", "found nothing at nowhere"),
    ("annotate", "device=cuda:99", "device must be"),
    ("annotate", "seeds=5-1", "one of photos=FOLDER"),
    ("annotate", "num=0", "num must be a whole number of at least 1"),
    ("benchmark", "suite=speed", "suite must be one of"),
    ("benchmark", "size=8", "size must be a whole number of at least 32"),
    ("benchmark", "device=cuda:99", "device must be"),
    ("benchmark", "splat=3", "splat is a group, e.g. splat.channels=, got 3"),
    ("benchmark", "photos.processes=2", "photos.processes must be a list such as [1,2], got 2"),
    ("benchmark", "output_dir=null", "output_dir must be a word or a path, got null"),
    ("user_study", "videos=nowhere", "wanted a folder with a folder of videos for each method"),
    ("prepare_data", "source=nowhere", "wanted a folder of videos or of one of the data sets"),
    ("prepare_data", "side=8", "side must be a whole number of at least 64"),
    ("evaluate", "table.labelled.dir=nowhere", "found nothing at nowhere"),
    ("evaluate", "precision=fp8", "precision must be one of fp32, bf16, fp16, got fp8"),
    ("app", "--port 99999", "cannot listen at 127.0.0.1, port 99999"),
    ("app", "--host 203.0.113.7 --port 0", "cannot listen at 203.0.113.7, port 0"),
    ("app", "--token short", "at least 8 characters"),
    ("app", "limits.wrong=1", "limits.wrong"),
    ("train", "data.dir=nowhere", "found nothing at nowhere"),
    ("train", "device=cuda:99", "device must be"),
    ("train", "precision=fp8", "precision must be one of"),
    ("train", "batch_size=0", "batch_size must be a whole number of at least 1"),
    ("train", "batch_size=3 num_accumulate=2", "multiple of 1 processes times num_accumulate=2"),
    ("train", "num_workers=-1", "num_workers must be a whole number of at least 0"),
    ("train", "save_every=0", "save_every must be a whole number of at least 1"),
    ("train", "max_seconds=-1", "max_seconds must be a number of at least 0"),
    ("train", "distributed.timeout_s=0", "distributed.timeout_s must be a number of at least 1"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("errors")
    write_example(folder)
    (folder / "photos").mkdir()
    io.write_image(folder / "photos/a.png", draw_landscape(64, 96).image)
    (folder / "videos").mkdir()
    return folder


def names(folder):
    """All paths but those in ``outputs``, which Hydra creates for a training before it runs."""
    return sorted(path for path in folder.rglob("*") if "outputs" not in path.parts)


def error_of(command, arguments, folder, monkeypatch):
    """The line with which a command ends; after a traceback there would be only a status."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", [command, *COMPLETE[command], *arguments])
    before = names(folder)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as stop:
            run(command)
    finally:
        signal.signal(signal.SIGTERM, handler)
        GlobalHydra.instance().clear()
    assert isinstance(stop.value.code, str), "a traceback"
    assert names(folder) == before
    (line,) = stop.value.code.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(("command", "argument", "message"), ERRORS)
def test_documented_errors_are_reported_in_one_line(
    command, argument, message, folder, monkeypatch
):
    assert message in error_of(command, argument.split(), folder, monkeypatch)


@pytest.mark.parametrize("command", [c for c in COMPLETE if c != "evaluate"])  # it has only words
def test_values_of_another_type_than_the_default_are_refused(command, folder, monkeypatch):
    sections = read_sections(CONFIGS_DIR / f"{command}.yaml")
    if command == "prepare_data":
        sections += read_sections(CONFIGS_DIR / "task/motion.yaml")
    cases = []
    for setting in chain.from_iterable(section.settings for section in sections):
        default = setting.default or ""
        if default in ("true", "false"):
            cases.append((setting.key, "perhaps", "true or false"))
        elif re.fullmatch(r"-?\d+(\.\d+)?", default):
            cases.append((setting.key, "many", "number"))
    assert cases
    for key, value, wanted in cases[:3]:  # all settings of a type are checked alike
        line = error_of(command, [f"{key}={value}"], folder, monkeypatch)
        assert f"{key} must be" in line
        assert wanted in line


def test_a_batch_that_cannot_be_divided_among_processes_is_refused_before_they_connect(
    folder, monkeypatch
):
    group = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in group.items():
        monkeypatch.setenv(name, value)
    line = error_of("train", ["batch_size=3"], folder, monkeypatch)
    assert line == (
        "error: batch_size must be a multiple of 2 processes times num_accumulate=1, got 3"
    )


@pytest.mark.parametrize("command", ["generate", "train", "annotate", "style_sheet"])
def test_a_missing_gpu_is_reported_in_one_line(command, folder, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch._C._cuda_getDeviceCount", lambda: 0)
    line = error_of(command, ["device=cuda"], folder, monkeypatch)
    assert "device must be auto, cpu or cuda, got cuda" in line
