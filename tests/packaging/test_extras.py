"""What is imported when, and what a missing extra says."""

import re
import tomllib
from pathlib import Path

import pytest

from stylecinegan.cli.extras import EXTRAS
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.io import read_video, write_image
from tests.processes import run_code

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run_without(modules, code, folder):
    """Runs Python as if the modules were not installed."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({list(modules)!r}))\n"
    return run_code(hidden + code, cwd=folder)


def call(command, *arguments):
    argv = ["stylecinegan", command, *map(str, arguments)]
    return f"sys.argv = {argv!r}\nfrom stylecinegan.cli.main import main\nmain()"


def test_the_extras_named_in_errors_are_those_of_pyproject():
    optional = PROJECT["optional-dependencies"]
    declared = {
        re.split(r"[<>=~!\[]", requirement)[0].replace("-", "_"): extra
        for extra in ("train", "eval", "app")
        for requirement in optional[extra]
    }
    assert declared == EXTRAS
    assert "stylecinegan[train,eval,app,jxl]" in optional["dev"]


def test_a_photo_is_animated_where_no_extra_is_installed(tmp_path):
    write_image(tmp_path / "lake.png", draw_landscape(64, 64, seed=1).image)
    arguments = ["photo=lake.png", "num_frames=2", "device=cpu", "save_intermediate=true"]
    done = run_without(EXTRAS, call("generate", *arguments), tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(read_video(tmp_path / "lake.mp4"))) == 2


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (("train", "experiment=generator", "data.dir=photos"), "tensorboard"),
        (("evaluate", "table=5", "table.photos.path=photos"), "pytorch_msssim"),
        (("evaluate", "table=2", "table.study=study"), "scipy"),
        (("app",), "uvicorn"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks_in_one_line(command, module, tmp_path):
    done = run_without([module], call(*command), tmp_path)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    extra = EXTRAS[module]
    assert line == f"error: {module} is not installed: pip install 'stylecinegan[{extra}]'"


def test_help_and_version_need_neither_torch_nor_hydra_nor_any_extra(tmp_path):
    hidden = [*EXTRAS, "torch", "hydra", "numpy", "cv2"]
    shown = run_without(hidden, call("--help"), tmp_path)
    assert shown.returncode == 0, shown.stderr
    for name in ("generate", "train", "evaluate"):
        assert re.search(rf"^  {name} +\w", shown.stdout, re.M)
    assert run_without(hidden, call("--version"), tmp_path).stdout.startswith("stylecinegan ")


def test_importing_the_package_imports_no_torch(tmp_path):
    assert run_without(["torch"], "import stylecinegan", tmp_path).returncode == 0
