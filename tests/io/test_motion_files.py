import struct

import numpy as np
import pytest
import torch

from stylecinegan import io
from stylecinegan.errors import InputError

# x is 0 ... 11 and y is 100 ... 111 on a map 3 high and 4 wide.
MOTION = np.stack([np.arange(12), np.arange(100, 112)]).reshape(2, 3, 4)
EXPECTED = torch.from_numpy(MOTION).float()[None]


@pytest.mark.parametrize(
    "array", [MOTION[None], MOTION, MOTION.transpose(1, 2, 0)], ids=["1chw", "chw", "hwc"]
)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i2", "u1", "i8"])
def test_layouts_and_types_give_the_same_motion(tmp_path, array, dtype):
    np.save(tmp_path / "m.npy", array.astype(dtype))
    motion = io.read_motion(tmp_path / "m.npy")
    assert motion.dtype == torch.float32
    assert torch.equal(motion, EXPECTED)


def test_a_first_dimension_of_two_is_the_channels(tmp_path):
    array = np.arange(12.0).reshape(2, 3, 2)
    np.save(tmp_path / "m.npy", array)
    assert torch.equal(io.read_motion(tmp_path / "m.npy"), torch.from_numpy(array).float()[None])


def test_npz_holds_one_array_or_one_named_motion(tmp_path):
    np.savez(tmp_path / "one.npz", anything=MOTION)
    np.savez_compressed(tmp_path / "two.npz", mask=np.ones(3), motion=MOTION)
    np.savez(tmp_path / "bad.npz", a=MOTION, b=MOTION)
    assert torch.equal(io.read_motion(tmp_path / "one.npz"), EXPECTED)
    assert torch.equal(io.read_motion(tmp_path / "two.npz"), EXPECTED)
    with pytest.raises(InputError, match=r"'motion', found \['a', 'b'\]"):
        io.read_motion(tmp_path / "bad.npz")


def test_a_flo_file_is_read_as_middlebury_writes_it(tmp_path):
    # Width first, then rows of (x, y) pairs.
    vectors = [1.0, -2.0, 3.0, -4.0]
    (tmp_path / "m.flo").write_bytes(b"PIEH" + struct.pack("<ii4f", 2, 1, *vectors))
    assert io.read_motion(tmp_path / "m.flo").tolist() == [[[[1.0, 3.0]], [[-2.0, -4.0]]]]


@pytest.mark.parametrize("suffix", [".npy", ".flo"])
def test_a_written_motion_is_read_back(tmp_path, suffix):
    io.write_motion(tmp_path / "new" / f"m{suffix}", EXPECTED)
    assert torch.equal(io.read_motion(tmp_path / "new" / f"m{suffix}"), EXPECTED)
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_eulerian_motion_is_read_by_its_suffix(tmp_path):
    torch.save(EXPECTED, tmp_path / "a_motion.pth")
    assert torch.equal(io.read_motion(tmp_path / "a_motion.pth"), EXPECTED)


def test_values_that_are_not_finite_are_counted(tmp_path):
    array = MOTION.astype(float)
    array[0, 0, :2] = np.nan
    array[1, 2, 3] = np.inf
    array[1, 1, 1] = 1e300  # beyond float32
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(InputError, match="found 4 of 24 values"):
        io.read_motion(tmp_path / "m.npy")
    (tmp_path / "m.flo").write_bytes(b"PIEH" + struct.pack("<ii2f", 1, 1, 1e10, 0))
    with pytest.raises(InputError, match="found 1 of 2 values"):
        io.read_motion(tmp_path / "m.flo")


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 3, 5, 7), (2, 2, 5, 7), (5, 7), (1, 5, 7, 2)])
def test_another_shape_is_named(tmp_path, shape):
    np.save(tmp_path / "m.npy", np.zeros(shape))
    found = ", ".join(map(str, shape))
    with pytest.raises(InputError, match=rf"found \[{found}\]"):
        io.read_motion(tmp_path / "m.npy")


def test_pickled_objects_are_never_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    np.save(tmp_path / "m.npy", np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(InputError, match="no pickled objects"):
        io.read_motion(tmp_path / "m.npy")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["m.npy", "m.npz", "m.flo"])
@pytest.mark.parametrize("content", [b"just some text", b"PK\x03\x04", b"\x93NUMPY\x01\0"])
def test_other_data_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot read") as caught:
        io.read_motion(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_motion_is_refused(tmp_path):
    for suffix in (".npy", ".flo"):
        path = tmp_path / f"m{suffix}"
        io.write_motion(path, EXPECTED)
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(InputError):
            io.read_motion(path)


def test_text_and_complex_numbers_are_refused(tmp_path):
    for dtype in ("U3", "c8", "?"):
        np.save(tmp_path / "m.npy", np.zeros((2, 3, 4), dtype))
        with pytest.raises(InputError, match="wanted real numbers"):
            io.read_motion(tmp_path / "m.npy")


def test_another_suffix_and_a_missing_file_are_named(tmp_path):
    (tmp_path / "m.mat").write_bytes(b"x")
    with pytest.raises(InputError, match=r"found '\.mat'"):
        io.read_motion(tmp_path / "m.mat")
    with pytest.raises(InputError, match="found no such file"):
        io.read_motion(tmp_path / "m.npy")
