import pytest
import torch

from stylecinegan.app.interruption import InterruptibleFunctions, make_interruptible
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.motion.controls import controlled_motion
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


def test_a_generator_that_is_closed_cleans_up_without_interruption():
    has_cleaned_up = []

    def frames():
        try:
            yield
        finally:
            torch.zeros(1)
            has_cleaned_up.append(True)

    def check():
        raise Unwanted

    generator = frames()
    next(generator)
    with InterruptibleFunctions(check):
        generator.close()
        with pytest.raises(Unwanted):
            torch.zeros(1)
    assert has_cleaned_up


def test_controls_of_the_motion_stop_at_any_function_of_pytorch():
    landscape = draw_landscape(96, 128, seed=1)
    motion, mask = torch.ones(1, 2, 24, 32), landscape.mask
    wanted = controlled_motion(motion, mask, anchors=[(0.5, 0.2)])
    calls, stop_at = [], None

    def check():
        calls.append(1)
        if len(calls) == stop_at:
            raise Unwanted

    with InterruptibleFunctions(check):
        watched = controlled_motion(motion, mask, anchors=[(0.5, 0.2)])
    torch.testing.assert_close(watched, wanted, rtol=0, atol=0)
    num_functions = len(calls)
    assert num_functions > 20
    for stop_at in (1, num_functions // 2, num_functions):
        calls.clear()
        with pytest.raises(Unwanted), InterruptibleFunctions(check):
            controlled_motion(motion, mask, anchors=[(0.5, 0.2)])
        assert len(calls) == stop_at
    calls.clear()
    controlled_motion(motion, mask)  # outside nothing is asked
    assert not calls
