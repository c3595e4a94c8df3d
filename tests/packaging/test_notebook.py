from pathlib import Path

import pytest

from stylecinegan import io

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks/quickstart.ipynb"
INVERT = f"""
sys.path.insert(0, {str(ROOT)!r})
import torch
from tests.tiny_model import make_model
make_model().invert(torch.zeros(1, 3, 64, 64), num_steps=2);
"""

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")


def run(notebook, folder):
    """Outputs of all cells."""
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=280, resources=resources).execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def printed(outputs, stream):
    return "".join(output["text"] for output in outputs if output.get("name") == stream)


def test_the_notebook_runs_from_top_to_bottom_and_shows_its_pictures(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is stored without outputs"
    outputs = run(notebook, tmp_path)
    assert printed(outputs, "stderr") == ""
    shown = [data for output in outputs if "image/" in " ".join(data := output.get("data", {}))]
    assert len(shown) == 5  # the photo, its mask, its motion, the preview, a frame of the paper's
    assert len(list(io.read_video(tmp_path / "quickstart/preview.webp"))) == 24
    assert len(list(io.read_video(tmp_path / "quickstart/example.mp4"))) == 12


@pytest.mark.parametrize("has_widgets", [True, False])
def test_progress_is_a_widget_where_there_are_some_and_a_bar_without_warning_elsewhere(
    tmp_path, has_widgets
):
    if has_widgets:
        pytest.importorskip("ipywidgets")
    start = "import sys\n" + ("" if has_widgets else "sys.modules['ipywidgets'] = None\n")
    cell = nbformat.v4.new_code_cell(start + INVERT)
    outputs = run(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
    text = printed(outputs, "stderr")
    widgets = [
        o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})
    ]
    assert bool(widgets) == has_widgets
    assert "Warning" not in text
    assert ("refine the inversion" in text) == (not has_widgets)
