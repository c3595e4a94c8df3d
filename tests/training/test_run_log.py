import pytest
import torch

from stylecinegan.errors import TrainingError
from stylecinegan.training.run_log import RunLog, make_grid


def test_a_grid_has_as_many_columns_as_rows_or_one_more():
    images = torch.stack([torch.full((3, 2, 4), value) for value in (0.1, 0.2, 0.3, 0.4, 0.5)])
    grid = make_grid(images, border=1)
    assert grid.shape == (3, 2 * 3 + 1, 3 * 5 + 1)
    assert (grid[:, 1:3, 1:5] == 0.1).all()
    assert (grid[:, 4:6, 6:10] == 0.5).all()
    assert (grid[:, 4:, 11:] == -1.0).all()
    assert (grid[:, 0] == -1.0).all()


def test_a_log_that_cannot_be_written_is_an_error_in_one_line(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    log = RunLog(folder, 0, 1)
    (folder / "log.jsonl").mkdir()
    with pytest.raises(TrainingError, match=r"cannot write the log in .*run: Is a directory"):
        log.note(1, {"loss": 1.0})
    log.close()
