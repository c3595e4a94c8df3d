from tests.processes import run_script
from tests.training.toy_task import draw_landscapes, write_experiment


def test_the_runs_of_a_sweep_have_separate_folders_and_resume(tmp_path):
    draw_landscapes(tmp_path / "photos")
    write_experiment(tmp_path, num_steps=2)
    arguments = ["--config-dir", "configs", "experiment=toy", "data.dir=photos", "batch_size=1,2"]
    done = run_script("train.py", "--multirun", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for number in (1, 2):
        run_dir = tmp_path / f"outputs/toy/default_batch_size={number}"
        assert (run_dir / "export/toy.safetensors").is_file()
        assert f"batch_size: {number}" in (run_dir / "config.yaml").read_text()
    again = run_script("train.py", "--multirun", *arguments, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("going on from") == 2
