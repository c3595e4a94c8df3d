import pytest
import yaml
from safetensors.torch import load_file

from stylecinegan.training.run_state import load_latest_state
from tests.processes import run_script
from tests.training.toy_task import draw_landscapes, write_experiment


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    draw_landscapes(folder / "fotos, été = (1)")
    write_experiment(folder, num_steps=3, batch_size=2)
    return folder


def train(folder, *overrides):
    return run_script(
        "train.py",
        "--config-dir",
        folder / "configs",
        "experiment=toy",
        "data.dir=fotos, été = (1)",
        *overrides,
        cwd=folder,
    )


def test_the_same_command_trains_exports_and_resumes(folder):
    run_dir = folder / "outputs/toy/default"
    first = train(folder)
    assert first.returncode == 0, first.stderr
    assert "3/3" in first.stderr
    assert load_latest_state(run_dir)["step"] == 3  # pyright: ignore
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["data"]["crop"] == 16
    weights = load_file(run_dir / "export/toy.safetensors")
    assert weights["0.weight"].shape == (8, 3, 3, 3)
    more = train(folder, "num_steps=5")
    assert more.returncode == 0, more.stderr
    assert "going on from" in more.stdout
    assert load_latest_state(run_dir)["step"] == 5  # pyright: ignore


def test_a_missing_folder_is_reported_in_one_line(folder):
    result = train(folder, "data.dir=no where", "name=other")
    assert result.returncode == 1
    assert result.stderr == (
        "error: wanted a folder or zip file of pictures, found nothing at no where\n"
    )
