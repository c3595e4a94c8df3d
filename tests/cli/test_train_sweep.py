import os
import subprocess
import sys
from pathlib import Path

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape

TRAINING_TESTS = Path(__file__).parents[1] / "training"
EXPERIMENT = """\
# @package _global_
task:
  _target_: toy_task.ToyTask
data: {crop: 16}
num_steps: 2
num_workers: 0
sample_every: 0
device: cpu
"""


def run(command, *arguments, folder):
    paths = [str(TRAINING_TESTS), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "stylecinegan", command, "--multirun", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_runs_of_a_sweep_have_separate_folders_and_resume(tmp_path):
    for number in range(3):
        image = draw_landscape(24, 32, seed=number).image
        (tmp_path / "photos").mkdir(exist_ok=True)
        io.write_image(tmp_path / f"photos/{number}.png", image)
    (tmp_path / "configs/experiment").mkdir(parents=True)
    (tmp_path / "configs/experiment/toy.yaml").write_text(EXPERIMENT)
    arguments = ["--config-dir", "configs", "experiment=toy", "data.dir=photos", "batch_size=1,2"]
    done = run("train", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for number in (0, 1):
        run_dir = tmp_path / f"outputs/toy/default_batch_size={number + 1}"
        assert (run_dir / "export/toy.safetensors").is_file()
        assert f"batch_size: {number + 1}" in (run_dir / "config.yaml").read_text()
    again = run("train", *arguments, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("going on from") == 2
