import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan import io
from stylecinegan.errors import InputError

VALUES = np.array([[10, 20, 30], [40, 50, 60]])


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.png", lambda path: Image.fromarray(VALUES.astype(np.uint8)).save(path)),
        ("deep.png", lambda path: Image.fromarray((VALUES * 100).astype(np.uint16)).save(path)),
        (
            "rgb.png",
            lambda path: Image.fromarray(np.uint8([VALUES] * 3).transpose(1, 2, 0)).save(path),
        ),
        ("a.npy", lambda path: np.save(path, VALUES)),
        ("four.npy", lambda path: np.save(path, VALUES[None, None].astype(np.float16))),
        ("a.npz", lambda path: np.savez(path, depth=VALUES * 0.5, other=VALUES)),
    ],
)
def test_a_depth_is_scaled_to_0_to_1_with_near_bright(tmp_path, name, write):
    write(tmp_path / name)
    expected = torch.tensor([[[[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]]]])
    torch.testing.assert_close(io.read_depth(tmp_path / name), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.txt", lambda path: path.write_text("far"), "wanted a depth"),
        ("a.npy", lambda path: path.write_text("far"), "wanted NumPy numbers"),
        ("flat.npy", lambda path: np.save(path, np.ones((4, 4))), "found 1 everywhere"),
        ("three.npy", lambda path: np.save(path, np.ones((3, 4, 4))), r"wanted a depth \[H, W\]"),
        ("words.npy", lambda path: np.save(path, np.array([["a"]])), "wanted real numbers"),
        ("nan.npy", lambda path: np.save(path, np.full((4, 4), np.nan)), "16 of 16 NaN"),
        (
            "hues.png",
            lambda path: Image.fromarray(np.uint8([[[255, 0, 0], [0, 0, 255]]] * 2)).save(path),
            "found colours in 100 % of it",
        ),
    ],
)
def test_other_files_than_a_depth_are_refused(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(InputError, match=message):
        io.read_depth(tmp_path / name)
