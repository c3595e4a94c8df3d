import pytest
import torch

from stylecinegan.appearance import (
    Style,
    StyleChange,
    describe_inversion,
    find_target,
    read_style,
    write_latent,
)
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from tests.appearance.scenes import scene
from tests.tiny_model import make_model


@pytest.fixture(scope="module")
def model():
    """A model with an appearance head."""
    return make_model({"appearance_dim": 5})


def w_t(model, style, inversion):
    return find_target(style, model).codes_for(model.generator, inversion)


def test_the_target_of_a_photo_s_own_style_is_its_codes(model):
    photo, _ = scene()
    inversion = model.invert(photo)
    assert torch.equal(w_t(model, Style(picture=photo), inversion), inversion.w_plus)


def test_targets_of_other_pictures_and_samples_differ_after_layer_10_only(model):
    photo, _ = scene()
    inversion = model.invert(photo)
    for style in (Style(picture=draw_landscape(64, 64, seed=9).image), Style(seed=4)):
        codes = w_t(model, style, inversion)
        assert torch.equal(codes[:, :9], inversion.w_plus[:, :9])
        assert codes[:, 9:].abs().min() > 0.0
        assert torch.equal(codes[:, 9:], codes[:, 9:10].expand(1, 5, 8))


def test_a_slider_changes_one_component_of_the_descriptor(model):
    photo, _ = scene()
    inversion = model.invert(photo)
    codes = w_t(model, Style(sliders={2: -1.5}), inversion)
    change = model.generator.appearance.offset(torch.tensor([0.0, -1.5, 0.0, 0.0, 0.0]))
    torch.testing.assert_close(codes[0, 9] - inversion.w_plus[0, 9], change)


def test_a_saved_descriptor_specifies_the_style_of_its_picture(model, tmp_path):
    other = model.invert(draw_landscape(64, 64, seed=9).image)
    write_latent(tmp_path / "appearance.safetensors", describe_inversion(model.generator, other))
    inversion = model.invert(scene()[0])
    codes = w_t(model, read_style(str(tmp_path / "appearance.safetensors")), inversion)
    expected = w_t(model, Style(picture=draw_landscape(64, 64, seed=9).image), inversion)
    assert torch.equal(codes, expected)


def test_the_descriptor_of_a_styled_photo_gives_the_same_target(model):
    inversion = model.invert(scene()[0])
    target = find_target(Style(sliders={1: 2.0}), model)
    descriptor = target.description(model.generator, inversion)
    again = find_target(Style(codes=descriptor), model).codes_for(model.generator, inversion)
    torch.testing.assert_close(again, target.codes_for(model.generator, inversion))


def test_frames_take_the_style_in_the_middle_and_start_with_the_photo(model):
    photo, arguments = scene()
    plain = list(model.animate(photo, 4, **arguments).frames)
    target = w_t(model, Style(sliders={1: 3.0}), model.invert(photo))
    styled = list(model.animate(photo, 4, **arguments, style=StyleChange(target)).frames)
    assert torch.equal(styled[0], plain[0])
    assert (styled[2] - plain[2]).abs().mean() > 0.005


def test_optimisation_is_refused_for_generators_with_an_appearance_head(model):
    with pytest.raises(InputError, match="use style_inversion=encoder"):
        find_target(Style(picture=scene()[0]), model, inversion="optimization")
