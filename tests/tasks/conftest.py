import pytest

from stylecinegan.tasks import feature_gan, projected_gan, view_gan
from tests.tasks.batches import landscapes


@pytest.fixture(scope="session")
def photos():
    """Drawn photos of 128 pixels, where a file of tests has none of its own."""
    return landscapes(128)


@pytest.fixture
def toy_gans(monkeypatch):
    """Random trunks, which do where pictures need not look good, and few samples."""
    for module in (projected_gan, view_gan):
        monkeypatch.setattr(module, "load_imagenet_weights", lambda *_: None)
    monkeypatch.setattr(feature_gan, "NUM_SAMPLES", 4)
