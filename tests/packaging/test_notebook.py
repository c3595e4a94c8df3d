from pathlib import Path

import pytest

from stylecinegan import io

NOTEBOOK = Path(__file__).parents[2] / "notebooks/quickstart.ipynb"

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")


def test_the_notebook_runs_from_top_to_bottom_and_shows_its_pictures(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is stored without outputs"
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=280, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [data for output in outputs if "image/" in " ".join(data := output.get("data", {}))]
    assert len(shown) == 5  # the photo, its mask, its motion, the preview, a frame of the paper's
    assert len(list(io.read_video(tmp_path / "quickstart/preview.webp"))) == 24
    assert len(list(io.read_video(tmp_path / "quickstart/example.mp4"))) == 12
