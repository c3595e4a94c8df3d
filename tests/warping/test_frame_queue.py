import itertools
import threading

import pytest
import torch

from stylecinegan.warping.frame_queue import LARGEST_AT_ONCE, choose_num_at_once, render_ahead


def test_frames_come_in_order_however_long_each_takes():
    second_is_done = threading.Event()

    def render(number):
        if number == 0:
            assert second_is_done.wait(10)  # at once with the first one
        if number == 1:
            second_is_done.set()
        return torch.tensor(number)

    assert [int(frame) for frame in render_ahead(range(7), render, 2)] == list(range(7))


def test_only_a_few_frames_are_rendered_ahead():
    rendered = []

    def render(number):
        rendered.append(number)
        return torch.tensor(number)

    frames = render_ahead(itertools.count(), render, 2)
    assert [int(next(frames)) for _ in range(3)] == [0, 1, 2]
    frames.close()
    assert max(rendered) <= 4


def test_what_a_frame_raises_reaches_the_reader():
    def render(number):
        if number == 2:
            raise MemoryError
        return torch.tensor(number)

    frames = render_ahead(range(5), render, 2)
    assert [int(next(frames)), int(next(frames))] == [0, 1]
    with pytest.raises(MemoryError):
        next(frames)


def test_frames_are_rendered_without_gradients():
    weight = torch.ones(1, requires_grad=True)
    for num_at_once in (1, 2):
        (frame,) = render_ahead([2.0], lambda factor: factor * weight, num_at_once)
        assert not frame.requires_grad


def test_a_very_large_frame_is_rendered_alone():
    side = int(LARGEST_AT_ONCE**0.5) + 1
    assert choose_num_at_once(torch.zeros(1, 1, 1, 1).expand(1, 3, side, side)) == 1
