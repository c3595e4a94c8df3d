import pytest
import torch

from stylecinegan import StyleCineGAN
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.inversion.optimization import refine_inversion


@pytest.fixture
def model():
    torch.manual_seed(0)
    generator = Generator(256, 8, 1, channel_base=2048, channel_max=8, first_rgb_layer=10)
    encoder = FeatureStyleEncoder(14, 8, 8, (4, 4, 4, 4, 4), (1, 1, 1, 1), 4, 1)
    return StyleCineGAN(generator, encoder).eval().requires_grad_(False)


def error(inversion, photo):
    return float((inversion.image - photo).square().mean())


def test_steps_bring_the_inversion_closer_to_the_photo(model):
    photo = draw_landscape(64, 96).image
    start, refined = model.invert(photo), model.invert(photo, num_steps=15)
    assert error(refined, photo) < 0.9 * error(start, photo)
    assert not refined.image.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_step_that_makes_it_worse_is_not_kept(model):
    photo = draw_landscape(64, 64).image
    w_plus, feature = model.encoder(photo)
    codes, content = refine_inversion(model.generator, photo, w_plus, feature, 1, learning_rate=1e3)
    assert torch.equal(codes, w_plus)
    assert torch.equal(content, feature)
