import pytest

from tests.app.serving import Server, encode, landscape


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    file = tmp_path_factory.mktemp("example") / "example.png"
    file.write_bytes(encode(landscape()))
    return file


@pytest.fixture(scope="session")
def shared_server(example):
    with Server(example) as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.model.frame_s = 0.0
    return shared_server


@pytest.fixture
def photo():
    return encode(landscape())
