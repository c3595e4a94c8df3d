import pytest
import torch

from stylecinegan import StyleCineGAN, io
from stylecinegan.appearance import Style, find_directions, find_target, read_style, write_latent
from stylecinegan.appearance.target import check_picture_inversion
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder, Inversion
from tests.tiny_model import make_model


@pytest.fixture(scope="module")
def model():
    return make_model()


def photo_of(codes):
    return Inversion(codes, {}, torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize(
    ("text", "sliders"),
    [
        ("pc3:+2", {3: 2.0}),
        ("pc1:-1.5,pc12:.5", {1: -1.5, 12: 0.5}),
        ("pc2:1, pc2:-3", {2: -2.0}),
    ],
)
def test_sliders_are_parsed(text, sliders):
    assert read_style(text) == Style(sliders=sliders)


@pytest.mark.parametrize("text", ["pc1:", "pc1:two", "pc1:1;pc2:1", "pc1:1,", "pc1:1,3"])
def test_malformed_sliders_are_refused(text):
    with pytest.raises(InputError, match=r"like pc3:.*got pc1"):
        read_style(text)


def test_an_integer_is_a_seed(model):
    target = find_target(read_style("17"), model, truncation=0.5)
    assert torch.equal(target.codes, model.generator.sample_w_plus(17, truncation=0.5))
    assert torch.equal(
        target.codes_for(model.generator, photo_of(torch.ones(1, 14, 8))), target.codes
    )


def test_the_target_of_a_picture_is_its_inversion(model, tmp_path):
    picture = draw_landscape(64, 96, seed=5).image
    io.write_image(tmp_path / "dusk.png", picture)
    target = find_target(read_style(str(tmp_path / "dusk.png")), model)
    expected = model.invert(io.read_image(tmp_path / "dusk.png")).w_plus
    assert torch.equal(target.codes_for(model.generator, photo_of(torch.ones(1, 14, 8))), expected)


def test_saved_codes_are_the_target_and_a_single_one_is_repeated(model, tmp_path):
    codes = torch.randn(1, 14, 8)
    write_latent(tmp_path / "a.safetensors", codes)
    assert torch.equal(find_target(read_style(str(tmp_path / "a.safetensors")), model).codes, codes)
    write_latent(tmp_path / "one.npz", codes[:, :1])
    found = find_target(read_style(str(tmp_path / "one.npz")), model).codes
    assert torch.equal(found, codes[:, :1].expand(1, 14, 8))


def test_sliders_are_added_to_the_codes_of_the_photo(model):
    photo_codes = torch.randn(1, 14, 8)
    directions = find_directions(model.generator)
    target = find_target(read_style("pc2:-3"), model)
    moved = target.codes_for(model.generator, photo_of(photo_codes))
    step = -3.0 * directions.deviations[1] * directions.components[1]
    torch.testing.assert_close(moved - photo_codes, step.expand(1, 14, 8))


def test_codes_of_another_generator_are_refused(model):
    with pytest.raises(InputError, match=r"must be \[1, 14, 8\] .* got \[1, 18, 8\]"):
        find_target(Style(codes=torch.zeros(1, 18, 8)), model)


def test_the_codes_of_a_picture_can_be_optimised():
    torch.manual_seed(0)
    generator = Generator(64, 8, 1, channel_base=256, channel_max=4)
    model = StyleCineGAN(generator, FeatureStyleEncoder(10, 8, 4, (4,) * 5, (1,) * 4, 4, 1))
    model.eval().requires_grad_(False)
    style = Style(picture=0.5 * draw_landscape(64, 64, seed=5).image)

    def distance(target):
        return float((generator(target.codes) - style.picture).square().mean())

    def far(actual, expected):
        return 1000.0 + (actual - expected).abs().mean()  # falls by less than 1 %: it ends early

    searched = find_target(style, model, inversion="optimization", perceptual=far)
    assert distance(searched) < 0.95 * distance(find_target(style, model))


def test_an_unknown_inversion_is_refused():
    with pytest.raises(InputError, match="must be encoder or optimization, got magic"):
        check_picture_inversion("magic")
