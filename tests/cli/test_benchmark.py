import json

import pytest
import torch

from stylecinegan import io
from tests.processes import run_script
from tests.tiny_model import write_example

TINY_GENERATOR = [
    "render.generator.resolution=128",
    "+render.generator.style_dim=8",
    "+render.generator.num_mapping_layers=1",
    "+render.generator.channel_max=8",
]


def benchmark(folder, *arguments):
    return run_script(
        "benchmark.py", "output_dir=out", "repeats=2", "device=cpu", *arguments, cwd=folder
    )


def rows_of(folder):
    return [json.loads(line) for line in (folder / "out/rows.jsonl").read_text().splitlines()]


def test_render_compares_the_released_procedure_with_ours_and_describes_the_machine(tmp_path):
    done = benchmark(tmp_path, "suite=render", "size=64", "num_frames=3", *TINY_GENERATOR)
    assert done.returncode == 0, done.stderr
    assert "| released procedure, our splat |" in done.stdout
    rows = rows_of(tmp_path)
    names = ["released procedure, splat in PyTorch", "released procedure, our splat", "unfolded"]
    names += ["folded, reference", "folded", "folded, with all additions"]
    assert [row["row"] for row in rows] == names
    assert rows[0][f"times as fast as {names[0]}"] == 1.0
    assert rows[4]["times as fast as unfolded"] == pytest.approx(
        rows[2]["ms / frame"] / rows[4]["ms / frame"]
    )
    assert rows[0]["machine"]["torch"] == torch.__version__
    assert rows[0]["settings"]["num_frames"] == 3
    details = (tmp_path / "out/details.jsonl").read_text().splitlines()
    assert len(details) == 6 * 2  # candidates, timings


def test_generate_times_whole_commands_and_plots_their_growth(tmp_path):
    write_example(tmp_path, 96, 96)
    done = benchmark(
        tmp_path,
        "suite=generate",
        "size=64",
        "num_frames=2",
        "repeats=1",
        "model.directory=model",
        "generate.photo=photo.png",
        "generate.sizes=[64,96]",
        "generate.frame_counts=[2]",
        f'generate.arguments=["mask={tmp_path}/mask.png"]',
    )
    assert done.returncode == 0, done.stderr
    assert [row["row"] for row in rows_of(tmp_path)] == ["64x64, 2 frames", "96x96, 2 frames"]
    assert all(row["peak MB"] > 100 for row in rows_of(tmp_path))  # PyTorch alone takes more
    assert "growth with megapixels" in done.stdout
    assert "growth with frames" not in done.stdout  # a single number of frames
    assert io.read_image(tmp_path / "out/growth.png").shape == (1, 3, 360, 480)


def test_photos_are_shared_by_processes_and_timed_per_photo(tmp_path):
    write_example(tmp_path)
    done = benchmark(
        tmp_path,
        "suite=photos",
        "repeats=1",
        "model.directory=model",
        "photos.number=2",
        "photos.size=64",
        "photos.num_frames=2",
        "photos.processes=[1,2]",
    )
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path)
    assert [row["row"] for row in rows] == ["1 process", "2 processes"]
    assert rows[0]["times as fast as 1 process"] == 1.0
    assert all(0.0 < row["ms / photo"] < 100_000.0 for row in rows)
    assert "photos a minute" in done.stdout


def test_invalid_settings_are_refused_in_one_line(tmp_path):
    done = benchmark(tmp_path, "suite=render", "size=100")
    message = "size must be divisible by 32 for suite=render, got 100"
    assert (done.returncode, done.stderr) == (1, f"error: {message}\n")
