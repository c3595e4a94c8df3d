import os

import pytest

# Small tests on small tensors: a second thread only waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """Gives what a file's tests share to one process; those of `browser` run one at a time."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    """Random weights in the layout of the published file."""
    import numpy as np  # not before the number of threads is set

    random = np.random.default_rng(0)
    shapes = {"conv1": (96, 3, 7, 7)}
    inner = 96
    for number, (squeeze, expand) in enumerate(
        [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)], 2
    ):
        shapes[f"fire{number}.squeeze1x1"] = (squeeze, inner, 1, 1)
        shapes[f"fire{number}.expand1x1"] = (expand, squeeze, 1, 1)
        shapes[f"fire{number}.expand3x3"] = (expand, squeeze, 3, 3)
        inner = 2 * expand
    weights = {}
    for name, shape in shapes.items():
        scale = (2.0 / np.prod(shape[1:])) ** 0.5
        weights[f"{name}.weight"] = (scale * random.standard_normal(shape)).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.npz"
    np.savez(path, **weights)
    return path
