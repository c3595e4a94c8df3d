import copy

import pytest
import torch

from stylecinegan import StyleCineGAN
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.inversion.optimization import noise_penalty, optimize_codes, refine_inversion


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


def test_a_step_that_increases_the_error_is_not_kept(model):
    photo = draw_landscape(64, 64).image
    w_plus, feature = model.encoder(photo)
    codes, content = refine_inversion(model.generator, photo, w_plus, feature, 1, learning_rate=1e3)
    assert torch.equal(codes, w_plus)
    assert torch.equal(content, feature)


def distance(generator, codes, picture):
    return float((generator(codes) - picture).square().mean())


@pytest.fixture
def small_generator():
    torch.manual_seed(0)
    generator = Generator(64, 8, 1, channel_base=512, channel_max=8)
    for layer in generator.convs.values():
        layer.noise_strength.data.fill_(0.01)
    for layer in generator.to_rgbs.values():
        layer.conv.weight.data *= 0.2  # pictures in [-1, 1]
    return generator.eval().requires_grad_(False)


@pytest.mark.parametrize("with_perceptual", [False, True])
def test_codes_come_closer_to_those_of_a_picture_of_the_generators_own(
    small_generator, with_perceptual
):
    start, codes = (small_generator.sample_w_plus(seed, truncation=1.0) for seed in (1, 2))
    picture = small_generator(codes)
    perceptual = (lambda a, b: (a - b).abs().mean()) if with_perceptual else None
    found = optimize_codes(small_generator, picture, start, perceptual=perceptual, num_steps=60)
    assert found.shape == (1, 10, 8)
    before = distance(small_generator, start, picture)
    assert distance(small_generator, found, picture) < 0.2 * before
    assert not found.requires_grad


def test_the_optimisation_stops_early_when_the_loss_does_not_fall(small_generator):
    codes = small_generator.sample_w_plus(1, truncation=1.0)
    calls = []

    def perceptual(actual, expected):
        calls.append(actual)
        return torch.ones(()) + 0.0 * actual.mean()

    found = optimize_codes(
        small_generator,
        small_generator(codes).clamp(-1.0, 1.0),
        codes,
        perceptual=perceptual,
        num_steps=100,
        patience=5,
        pixel_weight=0.0,
    )
    assert len(calls) == 6
    assert torch.equal(found, codes)


def test_codes_are_optimised_where_gradients_are_disabled(small_generator):
    generator = copy.deepcopy(small_generator)
    generator.convs["4"].noise_strength.fill_(0.1)  # so that noise is optimised, too
    codes = generator.sample_w_plus(1, truncation=1.0)
    with torch.no_grad():
        found = optimize_codes(generator, torch.zeros(1, 3, 32, 32), codes, num_steps=3)
    assert not torch.equal(found, codes)


def test_the_generators_own_noise_is_left_as_it_was(small_generator):
    codes = small_generator.sample_w_plus(1, truncation=1.0)
    before = small_generator(codes)
    optimize_codes(small_generator, torch.zeros(1, 3, 40, 60), codes, num_steps=3)
    assert torch.equal(small_generator(codes), before)


def test_noise_has_next_to_no_penalty_and_stripes_have_a_large_one():
    noise = torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    # Every pixel equals the one above: a correlation of 1 at the first of six scales, and more
    # than 1 at the others.
    stripes = noise[:, :, :1].expand_as(noise)
    assert float(noise_penalty([noise])) < 0.1
    assert float(noise_penalty([stripes])) > 6.0
