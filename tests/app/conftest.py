import pytest

from stylecinegan.app.settings import Limits
from tests.app.serving import Server, encode, landscape


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    file = tmp_path_factory.mktemp("example") / "example.png"
    file.write_bytes(encode(landscape()))
    return file


@pytest.fixture(scope="session")
def shared_server(example):
    # Every test opens photos of its own: none is in use any longer.
    with Server(example, limits=Limits(active_s=0)) as server:
        yield server


@pytest.fixture
def server(shared_server):
    model = shared_server.model
    model.frame_s = model.mask_layer.seconds = model.motion_layer.seconds = 0.0
    return shared_server


@pytest.fixture
def photo():
    return encode(landscape())
