import pytest
import torch

from stylecinegan import Warping
from stylecinegan.appearance import StyleChange
from stylecinegan.appearance.restyling import restyling
from stylecinegan.appearance.style_change import color_difference
from stylecinegan.appearance.styled_photo import prepare_photo
from stylecinegan.errors import InputError
from stylecinegan.metrics.loop_quality import LoopQuality
from stylecinegan.warping.settings import frame_warps
from tests.appearance.scenes import scene
from tests.tiny_model import make_model

RENDERINGS = {
    "generate": Warping(),
    "no detail": Warping(use_detail_transfer=False),
    "paper": Warping.of_the_paper(),
    "unfolded": Warping.of_the_paper(use_folding=False),
    "release": Warping.of_the_paper(warp_layers=(11, 14), first_rgb_layer=12),
    "image": Warping.of_the_paper(warp_layers=()),
}


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def target(model):
    return model.generator.sample_w_plus(3, truncation=1.0)


@pytest.mark.parametrize("name", RENDERINGS)
def test_with_strength_0_the_frames_do_not_change(model, target, name):
    photo, arguments = scene()
    arguments["warping"] = RENDERINGS[name]
    plain = model.animate(photo, 4, **arguments)
    for schedule in ("constant", "hold"):
        styled = model.animate(photo, 4, **arguments, style=StyleChange(target, 0.0, schedule))
        for frame, expected in zip(styled.frames, plain.frames, strict=True):
            assert torch.equal(frame, expected)


@pytest.mark.parametrize("name", RENDERINGS)
def test_static_regions_get_the_difference_of_the_two_pictures(model, target, name):
    photo, arguments = scene()
    warping = RENDERINGS[name]
    change = StyleChange(target, 0.5, "constant")
    cinemagraph = model.animate(photo, 4, **arguments, warping=warping, style=change)
    inversion = cinemagraph.inversion
    codes = inversion.w_plus.clone()
    codes[:, 9:] = 0.5 * codes[:, 9:] + 0.5 * target[:, 9:]
    layers = range(warping.first_rgb_layer, 15)

    def picture(w_plus):
        features = model.generator.features(w_plus, start=(10, inversion.features[10]))
        return model.generator.render({i: features[i] for i in layers}, w_plus)

    expected = photo + picture(codes) - picture(inversion.w_plus)
    static = (arguments["mask"] == 0).expand_as(photo)
    assert (expected - photo)[static].abs().mean() > 0.02
    for frame in cinemagraph.frames:
        torch.testing.assert_close(
            frame[static], expected.clamp(-1.0, 1.0)[static], rtol=0.0, atol=1e-5
        )


def test_frame_0_is_the_photo_and_the_difference_on_both_sides_of_the_masks_edge(model, target):
    photo, arguments = scene()
    change = StyleChange(target, 0.5, "constant")
    cinemagraph = model.animate(photo, 4, **arguments, style=change)
    _, difference = restyling(model.generator, cinemagraph.inversion, photo, change)(0.5)
    expected = (photo + difference).clamp(-1.0, 1.0)
    torch.testing.assert_close(next(cinemagraph.frames), expected, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("name", ["generate", "no detail", "paper", "unfolded", "image"])
def test_a_uniform_change_of_brightness_shows_no_edge_of_the_mask(model, name):
    photo, arguments = scene()
    photo = 0.5 * photo  # so that clamping changes nothing
    mask, settings = arguments["mask"], RENDERINGS[name]
    inversion = model.invert(photo)
    plain = prepare_photo(model.generator, lambda: inversion, photo, mask, settings)
    brighter = make_model()
    brighter.generator.rgb_bias(14).data += 0.125
    styled = prepare_photo(brighter.generator, lambda: inversion, photo + 0.125, mask, settings)
    for warp in frame_warps(8.0 * arguments["motion"], photo.shape[2:], 4, settings):
        lifted = styled.render(warp) - plain.render(warp)
        torch.testing.assert_close(lifted, torch.full_like(photo, 0.125), rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("schedule", ["constant", "there_and_back", "hold"])
@pytest.mark.parametrize("name", ["generate", "paper"])
def test_the_loop_closes_with_a_changing_style(model, target, name, schedule):
    photo, arguments = scene()
    quality = LoopQuality(arguments["mask"])
    change = StyleChange(target, 1.0, schedule)
    cinemagraph = model.animate(
        photo, 24, **arguments, warping=RENDERINGS[name], style=change, speed=2.0
    )
    for frame in cinemagraph.frames:
        quality.add(frame)
    # Without a change all steps are alike, and any may be the largest by a hair.
    assert quality.result()["closing_step_ratio"] <= (1.05 if schedule == "constant" else 1.0)


def test_there_and_back_shows_the_photo_first_and_the_style_in_the_middle(model, target):
    photo, arguments = scene()
    change = StyleChange(target, 1.0, "there_and_back")
    first, _, middle, _ = model.animate(photo, 4, **arguments, style=change).frames
    torch.testing.assert_close(first, photo, rtol=0.0, atol=1e-6)
    static = (arguments["mask"] == 0).expand_as(photo)
    constant = StyleChange(target, 1.0, "constant")
    full = next(model.animate(photo, 4, **arguments, style=constant).frames)
    assert torch.equal(middle[static], full[static])


def test_only_the_chosen_layers_take_the_style(model, target):
    photo, arguments = scene()
    same_colour = model.invert(photo).w_plus.clone()
    same_colour[:, :11] = target[:, :11]  # codes of layers 2 to 12 only
    change = StyleChange(same_colour, 1.0, "constant", layers=[13, 14])
    plain = model.animate(photo, 2, **arguments)
    styled = model.animate(photo, 2, **arguments, style=change)
    for frame, expected in zip(styled.frames, plain.frames, strict=True):
        assert torch.equal(frame, expected)
    change = StyleChange(same_colour, 1.0, "constant", layers=[12, 14])
    assert not torch.equal(next(model.animate(photo, 2, **arguments, style=change).frames), photo)


def test_the_difference_is_upsampled_for_photos_that_were_downsampled_for_the_inversion(target):
    photo, arguments = scene(66, 98)
    model = make_model(inversion_side=49)
    change = StyleChange(target, 1.0, "constant")
    cinemagraph = model.animate(photo, 2, **arguments, style=change)
    assert cinemagraph.inversion.image.shape[2:] == (33, 49)
    assert [frame.shape for frame in cinemagraph.frames] == [photo.shape] * 2


def test_the_difference_excludes_the_padding():
    styled = torch.zeros(1, 3, 32, 64)
    styled[..., 48:] = 9.0
    difference = color_difference(styled, torch.zeros_like(styled), (32, 48), (64, 96))
    assert difference.shape == (1, 3, 64, 96)
    assert difference.abs().max() == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": torch.zeros(1, 18, 8)}, r"codes must be \[1, 14, 8\] .* got \[1, 18, 8\]"),
        ({"layers": [10]}, r"layers from 11 to 14, got \[10\]"),
        ({"schedule": "never"}, "style_schedule must be one of .* got never"),
        ({"strength": float("nan")}, "style_strength must be a finite number, got nan"),
    ],
)
def test_invalid_changes_are_refused(model, target, change, message):
    photo, arguments = scene()
    with pytest.raises(InputError, match=message):
        model.animate(photo, 2, **arguments, style=StyleChange(**{"target": target, **change}))


def test_a_model_whose_layers_ignore_their_codes_logs_a_warning(target, caplog):
    insensitive = make_model()
    for name, parameter in insensitive.generator.named_parameters():
        if name.endswith("modulation.weight"):
            parameter.zero_()
    photo, arguments = scene()
    insensitive.animate(photo, 4, style=StyleChange(target), **arguments)
    assert "the style changes nothing: layers [11, 12, 13, 14] of this model" in caplog.text
    caplog.clear()
    make_model().animate(photo, 4, style=StyleChange(target), **arguments)
    assert not caplog.text
