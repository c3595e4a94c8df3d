import re

import pytest
import torch

from stylecinegan import io
from tests.processes import run_script
from tests.tiny_model import write_example


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sheet")
    write_example(folder)
    return folder


def sheet(folder, *overrides):
    return run_script(
        "style_sheet.py", "model.directory=model", "device=cpu", *overrides, cwd=folder
    )


def test_a_sheet_has_a_row_for_each_style_and_a_column_for_each_strength(folder):
    done = sheet(
        folder, "photo=photo.png", "styles=[7,photo.png]", "strengths=[0,1]", "sheet=a/sheet.png"
    )
    assert done.returncode == 0, done.stderr
    assert "row 2: photo.png" in done.stdout
    assert "β = 0, 1" in done.stdout
    written = io.read_image(folder / "a/sheet.png")
    # Two rows and columns of 171x256 (the photo's 64x96 enlarged), with 4 pixels between.
    assert written.shape == (1, 3, 2 * 171 + 4, 2 * 256 + 4)
    photo, seven = written[:, :, :171, :256], written[:, :, :171, 260:]
    assert torch.equal(written[:, :, 175:, :256], photo)
    assert (seven - photo).abs().mean() > 0.02
    # A photo in its own style differs only by the rounding of its file.
    own = written[:, :, 175:, 260:]
    assert (own - photo).abs().mean() < 0.1 * (seven - photo).abs().mean()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("seed=1", "num_components=9", "size=64"), "from pc1 to pc8, got pc9"),
        (("seed=1", "strengths=[much]"), "strengths must be numbers"),
    ],
)
def test_invalid_settings_are_refused_in_one_line(folder, overrides, message):
    done = sheet(folder, *overrides)
    assert done.returncode == 1
    (line,) = re.findall("^error: .*", done.stderr, re.MULTILINE)
    assert re.search(message, line)
    assert "Traceback" not in done.stderr
    assert not (folder / "style_sheet.png").exists()
