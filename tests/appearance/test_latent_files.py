import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stylecinegan.appearance import read_latent, write_latent
from stylecinegan.errors import InputError

CODES = torch.arange(28.0).view(1, 14, 2) / 7


@pytest.mark.parametrize("name", ["new/a.safetensors", "a.npz"])
def test_codes_are_read_as_written(tmp_path, name):
    write_latent(tmp_path / name, CODES)
    assert torch.equal(read_latent(tmp_path / name), CODES)


def test_files_of_stylegan2_s_projector_and_single_codes_are_read(tmp_path):
    np.savez(tmp_path / "projected_w.npz", w=CODES.numpy())
    assert torch.equal(read_latent(tmp_path / "projected_w.npz"), CODES)
    np.savez(tmp_path / "one.npz", w=np.ones(5, np.float64))
    assert torch.equal(read_latent(tmp_path / "one.npz"), torch.ones(1, 1, 5))


def npz(path, **arrays):
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("none.npz", lambda path: None, "no such file"),
        ("text.npz", lambda path: path.write_text("text"), "damaged"),
        ("text.safetensors", lambda path: path.write_text("text"), "damaged"),
        (
            "other.npz",
            lambda path: npz(path, motion=np.ones(3)),
            r"wanted an array w_plus, .*motion",
        ),
        ("whole.npz", lambda path: npz(path, w=np.ones(3, np.int64)), "finite real numbers"),
        ("many.npz", lambda path: npz(path, w=np.ones((2, 3, 4))), r"found \[2, 3, 4\]"),
        ("pickled.npz", lambda path: npz(path, w=np.array([{}, {}])), "damaged"),
        (
            "nan.safetensors",
            lambda path: save_file({"w_plus": torch.full((1, 2, 3), float("nan"))}, path),
            "finite real numbers",
        ),
    ],
)
def test_files_without_valid_codes_are_refused_in_one_line(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(InputError, match=message) as error:
        read_latent(tmp_path / name)
    assert "\n" not in str(error.value)


def test_codes_are_written_with_known_suffixes_only(tmp_path):
    with pytest.raises(InputError, match=r"\.npz"):
        write_latent(tmp_path / "a.txt", CODES)
