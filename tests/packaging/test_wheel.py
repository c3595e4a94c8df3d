"""The wheel, installed without the network into an environment of its own."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape

ROOT = Path(__file__).parents[2]
TRACKED = "git ls-files configs stylecinegan checkpoints/*.safetensors"
CHANGES_NOTHING = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, text=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A fresh environment that holds the wheel and sees the installed dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin/python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.fixture
def run(environment, tmp_path):
    """Runs a program of the environment in a folder that holds nothing but a photo."""
    io.write_image(tmp_path / "lake.jpg", draw_landscape(96, 128, seed=1).image)

    def run_program(name, *arguments, **variables):
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        return subprocess.run(
            [environment / "bin" / name, *arguments],
            cwd=tmp_path,
            env={**inherited, **CHANGES_NOTHING, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_program


def test_the_wheel_holds_every_tracked_file_that_running_needs(wheel):
    listed = subprocess.run(TRACKED.split(), cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a checkout of git")
    expected = {
        name.replace("checkpoints/", "stylecinegan/default_model/", 1)
        if name.startswith("checkpoints/")
        else name.replace("configs/", "stylecinegan/configs/", 1)
        if name.startswith("configs/")
        else name
        for name in listed.stdout.splitlines()
        if (ROOT / name).exists()  # a file that is deleted, but not yet committed, is no part of it
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert not expected - names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"stylecinegan"}
    kinds = {Path(name).suffix for name in names}
    assert {".py", ".yaml", ".safetensors", ".cpp", ".cu", ".html", ".typed"} <= kinds


def test_the_installed_command_animates_a_photo_in_an_empty_folder(run, tmp_path):
    done = run("stylecinegan", "generate", "photo=lake.jpg", "num_frames=4", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake.jpg", "lake.mp4"]
    assert len(list(io.read_video(tmp_path / "lake.mp4"))) == 4


def test_the_installed_package_finds_all_of_its_files_in_its_environment(run, environment):
    program = """
import json, sys
import stylecinegan, stylecinegan.resources as resources
from stylecinegan import StyleCineGAN, io
model = StyleCineGAN.load()
mask = model.predict_mask(io.read_image(resources.EXAMPLE_PHOTO)[:, :, ::4, ::4])
files = [stylecinegan.__file__, resources.CONFIGS_DIR, resources.CHECKPOINTS_DIR]
ours = [m.__file__ for name, m in sys.modules.items() if name.startswith("stylecinegan.")]
print(json.dumps({"files": [str(f) for f in files + ours], "cover": mask.mean().item()}))
"""
    done = run("python", "-c", program)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for file in found["files"]:
        assert Path(file).is_relative_to(environment)
        assert Path(file).exists()
    assert 0.1 < found["cover"] < 0.9


def test_a_photo_is_animated_where_the_home_folder_cannot_be_written(run, tmp_path):
    # A file for a folder refuses everybody, even root.
    (tmp_path / "home").touch()
    arguments = ["photo=lake.jpg", "num_frames=2", "device=cpu"]
    home = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": "", "XDG_DATA_HOME": ""}
    done = run("stylecinegan", "generate", *arguments, **home)
    assert done.returncode == 0, done.stderr
    assert len(list(io.read_video(tmp_path / "lake.mp4"))) == 2


def test_converted_models_are_found_in_the_working_folder_first_and_in_the_users_folder(
    run, tmp_path
):
    kept, near = tmp_path / "data/stylecinegan/models/lhq_1024", tmp_path / "checkpoints/lhq_1024"
    program = f"""
from pathlib import Path
from stylecinegan.checkpoints import find_model
for folder in ({str(kept)!r}, {str(near)!r}):
    Path(folder).mkdir(parents=True)
    print(find_model("lhq_1024"))
"""
    home = {"XDG_DATA_HOME": str(tmp_path / "data")}
    lost = run("stylecinegan", "generate", "photo=lake.jpg", "model=lhq_1024", **home)
    assert lost.returncode == 1
    assert len(lost.stderr.splitlines()) == 1
    assert "stylecinegan fetch_checkpoints describe" in lost.stderr
    assert str(kept.parent) in lost.stderr
    assert run("python", "-c", program, **home).stdout.splitlines() == [str(kept), str(near)]
