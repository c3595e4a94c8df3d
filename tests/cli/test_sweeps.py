import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf

from stylecinegan import io
from stylecinegan.cli.quoting import quote_values
from stylecinegan.cli.sweeps import first_job, is_sweep, job_path, name_jobs
from tests.processes import run_script
from tests.tiny_model import write_example

ARGUMENTS = ["-m", 'photo="a (1), b.jpg"', "speed=0.5,2", "num_frames=range(2,4)", "fps=10"]


def test_the_first_job_has_the_first_value_of_every_setting():
    assert is_sweep(ARGUMENTS)
    assert first_job(ARGUMENTS) == ['photo="a (1), b.jpg"', "speed=0.5", "num_frames=2", "fps=10"]


def test_constant_settings_are_excluded_from_the_names_of_jobs():
    added = name_jobs(ARGUMENTS)[len(ARGUMENTS) :]
    parsed = OverridesParser.create().parse_overrides(added)
    assert parsed[0].value() == ["photo", "fps"]


@pytest.mark.parametrize(
    ("difference", "path", "expected"),
    [
        ("speed=0.5", "out/a.mp4", "out/a_speed=0.5.mp4"),
        ("speed=0.5_motion=up", "frames", "frames_speed=0.5_motion=up"),
        ("style=my/dusk (1).jpg", "a.mp4", "a_style=my-dusk-1-.jpg_3.mp4"),
        ("x=" + "9" * 300, "a.mp4", f"a_x={'9' * 78}_3.mp4"),
    ],
)
def test_the_settings_that_vary_are_appended_to_names(difference, path, expected, monkeypatch):
    job = OmegaConf.create(
        {"mode": RunMode.MULTIRUN, "job": {"override_dirname": difference, "num": 3}}
    )
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: job)
    assert str(job_path(path)) == expected


def test_names_do_not_change_without_a_sweep():
    assert str(job_path("a.mp4")) == "a.mp4"


def test_words_and_files_separated_by_commas_are_lists_and_prose_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    (tmp_path / "b,c").touch()
    keys = ("motion", "mask", "text", "style", "photo")

    def quoted(argument):
        return quote_values([argument], keys, are_lists=True)[0]

    assert quoted("motion=left,up-right") == 'motion="left","up-right"'
    assert quoted("mask=sky,a.png") == 'mask="sky","a.png"'
    assert quoted("text=clouds drift left, slow") == 'text="clouds drift left, slow"'
    assert quoted("style=pc1:+1,pc2:-1") == 'style="pc1:+1,pc2:-1"'
    assert quoted("photo=b,c") == 'photo="b,c"'
    assert quote_values(["motion=left,up"], keys) == ['motion="left,up"']


def test_the_jobs_of_a_sweep_write_one_video_each_and_nothing_else(tmp_path):
    write_example(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    arguments = ["photo=photo.png", "mask=mask.png", "model.directory=model", "num_frames=4"]
    arguments += ["motion=left,up", "speed=16", "video=${x}.mp4", "device=cpu"]
    done = run_script("generate.py", "-m", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = {path.name for path in tmp_path.iterdir()} - before
    assert written == {"${x}_motion=left.mp4", "${x}_motion=up.mp4"}
    left, up = (list(io.read_video(tmp_path / name)) for name in sorted(written))
    assert (left[1] - up[1]).abs().max() > 0.05
