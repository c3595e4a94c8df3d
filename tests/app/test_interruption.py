import pytest
import torch

from stylecinegan.app.interruption import make_interruptible
from tests.tiny_model import make_model


class Unwanted(Exception):
    pass


def test_networks_stop_at_any_layer_and_compute_the_same_afterwards():
    model, photo = make_model(), torch.rand(1, 3, 64, 96) * 2 - 1
    wanted = model.invert(photo)
    calls, stop_at = [], None

    def check():
        calls.append(1)
        if len(calls) == stop_at:
            raise Unwanted

    make_interruptible(model, check)
    model.invert(photo)
    num_layers = len(calls)
    assert num_layers > 20
    for stop_at in (1, num_layers // 2, num_layers):
        calls.clear()
        with pytest.raises(Unwanted):
            model.invert(photo)
        assert len(calls) == stop_at
        stop_at = None
        torch.testing.assert_close(model.invert(photo).w_plus, wanted.w_plus, rtol=0, atol=0)
        torch.testing.assert_close(model.invert(photo).image, wanted.image, rtol=0, atol=0)
