import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from stylecinegan.errors import InputError
from stylecinegan.metrics.frechet_protocols import (
    FID,
    FVD,
    NETWORKS,
    FrechetProtocol,
    picture_protocols,
    seeds_of_run,
)
from stylecinegan.metrics.gaussians import Gaussian


def gaussian(seed, count=40, shift=0.0):
    features = np.random.default_rng(seed).normal(size=(count, 6))
    return Gaussian.of(features @ np.diag([1, 2, 3, 1, 1, 0.5]) + shift)


def test_the_names_of_the_protocols_are_fixed():
    # Published numbers are quoted under them; another network or input needs another name.
    assert list(NETWORKS) == ["fid_pytorch_fid", "fvd_i3d_16f", "frechet_squeezenet_fire9"]
    with pytest.raises(InputError, match=r"must be one of fid_pytorch_fid, .*, got fid"):
        FrechetProtocol("fid")


@pytest.mark.parametrize("name", [FID, FVD])
def test_a_protocol_without_its_weights_is_refused(name, tmp_path):
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    try:
        with pytest.raises(InputError, match="nothing is downloaded"):
            FrechetProtocol(name)
        assert picture_protocols(None) == []
    finally:
        torch.hub.set_dir(before)


def test_runs_have_disjoint_seeds():
    assert list(seeds_of_run(0, 3)) == [0, 1, 2]
    assert list(seeds_of_run(2, 3)) == [6, 7, 8]


def test_the_distance_equals_the_formula_with_a_matrix_root():
    a, b = gaussian(0), gaussian(1, shift=0.5)
    root = np.real(sqrtm(a.covariance @ b.covariance))
    wanted = np.square(a.mean - b.mean).sum()
    wanted += np.trace(a.covariance + b.covariance - 2 * root)
    assert a.distance(b) == pytest.approx(wanted, rel=1e-6)
    assert a.distance(a) == pytest.approx(0.0, abs=1e-9)


def test_statistics_are_read_as_written_and_only_for_their_protocol(tmp_path):
    real, other = gaussian(0), gaussian(1, shift=0.5)
    real.write(tmp_path / "new/real.npz", FID, "abc")
    read, source = Gaussian.read(tmp_path / "new/real.npz", FID)
    assert source == "abc"
    assert read.count == 40
    assert read.distance(other) == pytest.approx(real.distance(other), rel=1e-5)
    with pytest.raises(InputError, match=r"wanted statistics of fvd_i3d_16f .* fid_pytorch_fid"):
        Gaussian.read(tmp_path / "new/real.npz", FVD)
    (tmp_path / "broken.npz").write_bytes(b"PK but no archive")
    with pytest.raises(InputError, match="wanted statistics of fid_pytorch_fid in"):
        Gaussian.read(tmp_path / "broken.npz", FID)
