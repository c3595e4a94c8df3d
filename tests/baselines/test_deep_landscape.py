import logging
from copy import deepcopy

import torch

from stylecinegan.baselines import DeepLandscape, Scene
from stylecinegan.baselines.deep_landscape import tune
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.metrics.pictures import rmse
from stylecinegan.warping.displacement import pixel_grid
from tests.tiny_model import make_model


def make_scene(num_frames=3, speed=4.0):
    photo = draw_landscape(64, 96).image
    mask = torch.zeros(1, 1, 64, 96)
    mask[:, :, :32] = 1.0
    motion = torch.zeros(1, 2, 64, 96)
    motion[:, 0] = speed
    return Scene("clip", photo, mask, motion, num_frames, 2 * num_frames)


def test_tuning_brings_the_picture_closer_and_leaves_the_given_generator(caplog):
    model = make_model()
    before = deepcopy(model.generator.state_dict())
    image = draw_landscape(256, 256).image
    w_plus = model.generator.sample_w_plus(0)
    with caplog.at_level(logging.INFO), torch.no_grad():  # evaluation runs without gradients
        tuned = tune(model.generator, image, w_plus, 12, learning_rate=0.02)
    errors = [rmse(generator(w_plus), image) for generator in (model.generator, tuned)]
    assert errors[1] < 0.8 * errors[0]
    assert all(torch.equal(before[k], v) for k, v in model.generator.state_dict().items())
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in tuned.parameters())
    assert "step 12 of tuning a generator" in caplog.text


def test_tuning_is_never_worse_than_its_start():
    model = make_model()
    image = draw_landscape(256, 256).image
    w_plus = model.generator.sample_w_plus(0)
    tuned = tune(model.generator, image, w_plus, 2, learning_rate=100.0)
    assert rmse(tuned(w_plus), image) <= rmse(model.generator(w_plus), image)


def test_a_distance_of_pictures_can_be_added():
    model, seen = make_model(), []

    def distance(actual, expected):
        seen.append(actual.shape)
        return (actual - expected).abs().mean()

    tune(model.generator, draw_landscape(256, 256).image, model.generator.sample_w_plus(0), 1,
         perceptual=distance)  # fmt: skip
    assert seen == [(1, 3, 256, 256)] * 2


def test_the_moving_half_moves_and_the_rest_rests():
    scene = make_scene()
    with torch.no_grad():  # as measurements run
        frames = list(DeepLandscape(2)(make_model(), scene))
    assert [frame.shape for frame in frames] == [scene.photo.shape] * 3
    # Far from the mask's edge: convolutions mix what is near.
    torch.testing.assert_close(frames[2][:, :, 48:], frames[0][:, :, 48:], atol=1e-4, rtol=0)
    change = (frames[2] - frames[0])[:, :, :32].abs().mean()
    assert change > 1e-3


def test_frames_do_not_depend_on_how_many_are_asked_for():
    model = make_model()
    few, many = (list(DeepLandscape(1)(model, make_scene(n))) for n in (2, 4))
    torch.testing.assert_close(few[1], many[1], atol=1e-4, rtol=0)


def test_frames_show_where_content_came_from():
    model = make_model()
    scene = make_scene(num_frames=3, speed=0.0)
    # The picture's whole width in two frames of 96 pixels: a shift by 3 of the 64 columns of D^10
    # is 12 of the 256 of the picture.
    scene.motion[:, 0] = 96.0 * 12 / 256 / 2
    scene.mask.fill_(1.0)
    photo_side = Scene("clip", scene.photo, scene.mask, scene.motion, 3, 6)
    frames = list(DeepLandscape(0)(model, photo_side))
    width = 96
    shift = width * 12 / 256
    grid = pixel_grid(64, 96, frames[0]) - torch.tensor([shift, 0.0]).view(1, 2, 1, 1)
    extent = torch.tensor([95.0, 63.0]).view(1, 2, 1, 1)
    position = (grid * 2.0 / extent - 1.0).permute(0, 2, 3, 1)
    moved = torch.nn.functional.grid_sample(frames[0], position, align_corners=True)
    inner = (..., slice(8, 56), slice(16, 80))
    assert rmse(moved[inner], frames[2][inner]) < 0.5 * rmse(frames[0][inner], frames[2][inner])


def test_settings_stand_in_its_words():
    assert repr(DeepLandscape(7)) != repr(DeepLandscape(8))
    assert "DeepLandscape(7" in repr(DeepLandscape(7))
