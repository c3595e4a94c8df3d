import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from stylecinegan import io
from stylecinegan.data.eulerian import EulerianPairs
from stylecinegan.errors import InputError
from stylecinegan.io import motion_pth
from stylecinegan.io.motion_pth import read_motion_pth

lz4_frame = pytest.importorskip("lz4.frame")


def write_pth(path, value, protocol=4):
    path.write_bytes(lz4_frame.compress(pickle.dumps(value, protocol=protocol)))


@pytest.fixture
def motion():
    return np.random.default_rng(0).standard_normal((1, 2, 6, 8)).astype(np.float32)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickled_array_of_any_protocol_is_read(tmp_path, motion, protocol):
    write_pth(tmp_path / "a.pth", motion, protocol)
    assert torch.equal(read_motion_pth(tmp_path / "a.pth"), torch.from_numpy(motion))


def test_other_byte_orders_layouts_and_precisions_are_read(tmp_path, motion):
    for stored in (
        np.asfortranarray(motion),
        motion.astype(">f4"),
        motion.astype(np.float64),
        motion[0],
    ):
        write_pth(tmp_path / "a.pth", stored, 4)
        assert torch.equal(read_motion_pth(tmp_path / "a.pth"), torch.from_numpy(motion))


def test_names_that_other_versions_of_numpy_wrote_are_known(tmp_path, motion):
    data = pickle.dumps(motion, protocol=2)
    for old, new in ((b"numpy._core", b"numpy.core"), (b"numpy.core", b"numpy._core")):
        renamed = data.replace(old + b".multiarray", new + b".multiarray")
        (tmp_path / "a.pth").write_bytes(lz4_frame.compress(renamed))
        assert torch.equal(read_motion_pth(tmp_path / "a.pth"), torch.from_numpy(motion))


def test_a_pytorch_file_is_read(tmp_path, motion):
    torch.save(torch.from_numpy(motion), tmp_path / "a.pth")
    assert torch.equal(read_motion_pth(tmp_path / "a.pth"), torch.from_numpy(motion))


@pytest.mark.parametrize("is_archive", [True, False])
def test_a_compressed_pytorch_file_is_read(tmp_path, motion, is_archive):
    stream = BytesIO()
    tensor = torch.from_numpy(motion)
    torch.save(tensor, stream, _use_new_zipfile_serialization=is_archive)
    (tmp_path / "a.pth").write_bytes(lz4_frame.compress(stream.getvalue()))
    assert torch.equal(io.read_motion(tmp_path / "a.pth"), tensor)


REPORT = Path(__file__).parents[3] / "shared/data/reports/eulerian_motion.pth"


@pytest.mark.skipif(not REPORT.exists(), reason="needs ../shared/data/reports")
def test_the_motion_of_a_bug_report_is_read():
    motion = io.read_motion(REPORT)
    assert motion.shape[:2] == (1, 2)
    assert 0 < motion.abs().max() < 100


class Evil:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (open, (self.place, "w"))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, wrapped):
    evil = Evil(str(tmp_path / "was_run"))
    write_pth(tmp_path / "a.pth", np.array([evil], dtype=object) if wrapped else evil)
    with pytest.raises(InputError, match="cannot read"):
        read_motion_pth(tmp_path / "a.pth")
    torch.save(evil, tmp_path / "b.pth")
    with pytest.raises(InputError, match="cannot read"):
        read_motion_pth(tmp_path / "b.pth")
    (tmp_path / "c.pth").write_bytes(lz4_frame.compress((tmp_path / "b.pth").read_bytes()))
    with pytest.raises(InputError, match=r"cannot read .*c\.pth"):
        read_motion_pth(tmp_path / "c.pth")
    assert not (tmp_path / "was_run").exists()


def test_a_file_that_expands_without_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(motion_pth, "MAX_BYTES", 2**20)
    write_pth(tmp_path / "a.pth", np.zeros((1, 2, 1000, 1000), np.float32))
    with pytest.raises(InputError, match="wanted at most 1 MiB, found more"):
        read_motion_pth(tmp_path / "a.pth")


def test_damaged_files_and_other_values_are_refused(tmp_path, motion):
    path = tmp_path / "a.pth"
    write_pth(path, motion)
    whole = path.read_bytes()
    for size in (5, 30, len(whole) - 6):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="cannot read"):
            read_motion_pth(path)
    for value in ({"motion": motion}, "text", 3.0, motion[:, :1], motion * np.nan, motion > 0):
        write_pth(path, value)
        with pytest.raises(InputError, match=r"cannot (read|use)"):
            read_motion_pth(path)


def test_a_tree_of_the_published_shape_is_read(tmp_path, motion):
    split = tmp_path / "validation"
    split.mkdir()
    for name in ("00980_00000", "00980_00024"):
        io.write_image(split / f"{name}_input.jpg", torch.zeros(1, 3, 6, 8))
        write_pth(split / f"{name}_motion.pth", motion)
    write_pth(split / "00981_00000_motion.pth", motion)  # without a picture
    pairs = EulerianPairs(tmp_path, "validation")
    assert pairs.names == ["00980_00000", "00980_00024"]
    pair = pairs[1]
    assert pair["image"].shape == (3, 6, 8)
    assert torch.equal(pair["motion"], torch.from_numpy(motion[0]))
    assert torch.equal(pair["confidence"], torch.ones(1, 6, 8))
    assert pairs.video(0) == split / "00980_00000_gt.mp4"
    with pytest.raises(InputError, match="found none"):
        EulerianPairs(tmp_path, "train")
