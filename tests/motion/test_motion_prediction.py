import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.motion.prediction import predict_motion


class Recording(MotionGenerator):
    """Records its input and predicts one pixel to the right everywhere."""

    def forward(self, photo):
        self.input = photo
        return torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, *photo.shape[2:])


def recording(in_channels=5, side=32):
    return Recording(in_channels, 4, 1, 1, side=side)


@pytest.mark.parametrize(
    ("size", "input_size"),
    [((64, 128), (32, 64)), ((90, 30), (96, 32)), ((16, 1600), (1, 128)), ((8, 8), (32, 32))],
)
def test_the_network_gets_the_photo_at_the_trained_side_and_its_aspect_ratio(size, input_size):
    generator = recording()
    motion = predict_motion(generator, torch.zeros(1, 3, *size))
    assert generator.input.shape[2:] == input_size
    assert motion.shape == (1, 2, *size)


def test_motion_is_scaled_to_the_photo_s_size():
    motion = predict_motion(recording(), torch.zeros(1, 3, 64, 128))
    torch.testing.assert_close(motion[:, 0], torch.full((1, 64, 128), 2.0))


def test_the_network_gets_probabilities_of_sky_and_water():
    generator = recording()
    probabilities = torch.tensor([0.5, 0.3, 0.2]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    predict_motion(generator, torch.zeros(1, 3, 32, 32), probabilities)
    assert generator.input[0, :, 5, 5].tolist() == pytest.approx([0, 0, 0, 0.3, 0.2])
    predict_motion(generator, torch.zeros(1, 3, 32, 32))
    assert generator.input[:, 3:].abs().max() == 0


def test_a_generator_with_3_input_channels_ignores_probabilities():
    generator = recording(in_channels=3)
    predict_motion(generator, torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 8, 8))
    assert generator.input.shape[1] == 3


def test_a_photo_without_a_batch_dimension_is_refused():
    with pytest.raises(InputError, match=r"must be \[1, 3, H, W\], got \[3, 8, 8\]"):
        predict_motion(recording(), torch.zeros(3, 8, 8))
