import pytest
import torch

from stylecinegan import io
from stylecinegan.app.pictures import encode_jpeg
from stylecinegan.app.preview import encode_frames


def shades(number):
    return [torch.full((1, 3, 16, 24), shade) for shade in torch.linspace(-1, 1, number).tolist()]


@pytest.mark.parametrize("number", [0, 1, 5])
def test_every_frame_is_encoded_in_its_order(number):
    frames = shades(number)
    expected = [encode_jpeg(io.to_uint8(frame).numpy(), 88) for frame in frames]
    assert list(encode_frames(frames, 88)) == expected


def test_an_error_in_a_frame_is_raised_to_the_reader():
    def broken():
        yield from shades(2)
        raise MemoryError

    with pytest.raises(MemoryError):
        list(encode_frames(broken(), 88))
