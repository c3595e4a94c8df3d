import logging
from copy import deepcopy

import torch

from stylecinegan.baselines import DeepLandscape
from stylecinegan.baselines.deep_landscape import tune
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.metrics.pictures import RMSE
from stylecinegan.warping.displacement import pixel_grid
from tests.baselines.scenes import make_scene
from tests.tiny_model import make_model


def test_tuning_lowers_the_error_and_does_not_modify_the_generator(caplog):
    model = make_model()
    before = deepcopy(model.generator.state_dict())
    image = draw_landscape(256, 256).image
    w_plus = model.generator.sample_w_plus(0)
    with caplog.at_level(logging.INFO), torch.no_grad():  # evaluation runs without gradients
        tuned = tune(model.generator, image, w_plus, 12, learning_rate=0.02)
    errors = [RMSE()(generator(w_plus), image) for generator in (model.generator, tuned)]
    assert errors[1] < 0.8 * errors[0]
    assert all(torch.equal(before[k], v) for k, v in model.generator.state_dict().items())
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in tuned.parameters())
    assert "step 12 of tuning a generator" in caplog.text


def test_tuning_never_raises_the_error():
    model = make_model()
    image = draw_landscape(256, 256).image
    w_plus = model.generator.sample_w_plus(0)
    tuned = tune(model.generator, image, w_plus, 2, learning_rate=100.0)
    assert RMSE()(tuned(w_plus), image) <= RMSE()(model.generator(w_plus), image)


def test_a_perceptual_distance_is_part_of_the_loss():
    model, seen = make_model(), []

    def distance(actual, expected):
        seen.append(actual.shape)
        return (actual - expected).abs().mean()

    tune(model.generator, draw_landscape(256, 256).image, model.generator.sample_w_plus(0), 1,
         perceptual=distance)  # fmt: skip
    assert seen == [(1, 3, 256, 256)] * 2


def test_codes_and_weights_are_optimised_for_the_number_of_steps_each(monkeypatch):
    counts = {"codes": 0, "weights": 0}
    step = torch.optim.Adam.step

    def counting(self, *arguments, **options):
        is_codes = len(self.param_groups[0]["params"]) == 1
        counts["codes" if is_codes else "weights"] += 1
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.Adam, "step", counting)
    list(DeepLandscape(3)(make_model(), make_scene()))
    assert counts == {"codes": 3, "weights": 3}


def test_the_masked_half_moves_and_the_other_is_static():
    scene = make_scene(speed=4.0)
    with torch.no_grad():  # as measurements run
        frames = list(DeepLandscape(2)(make_model(), scene))
    assert [frame.shape for frame in frames] == [scene.photo.shape] * 3
    # Away from the mask's edge, since convolutions have a receptive field.
    torch.testing.assert_close(frames[2][:, :, 48:], frames[0][:, :, 48:], atol=1e-4, rtol=0)
    change = (frames[2] - frames[0])[:, :, :32].abs().mean()
    assert change > 1e-3


def test_frames_do_not_depend_on_their_number():
    model = make_model()
    few, many = (list(DeepLandscape(1)(model, make_scene(n))) for n in (2, 4))
    torch.testing.assert_close(few[1], many[1], atol=1e-4, rtol=0)


def test_content_moves_by_the_motion():
    model = make_model()
    # Two frames later, content has moved by 3 of the 64 columns of D^10.
    shift = 96 * 3 / 64
    scene = make_scene(speed=shift / 2)
    scene.mask.fill_(1.0)
    frames = list(DeepLandscape(0)(model, scene))
    grid = pixel_grid(64, 96, frames[0]) - torch.tensor([shift, 0.0]).view(1, 2, 1, 1)
    extent = torch.tensor([95.0, 63.0]).view(1, 2, 1, 1)
    position = (grid * 2.0 / extent - 1.0).permute(0, 2, 3, 1)
    moved = torch.nn.functional.grid_sample(frames[0], position, align_corners=True)
    inner = (..., slice(8, 56), slice(16, 80))
    assert RMSE()(moved[inner], frames[2][inner]) < 0.5 * RMSE()(frames[0][inner], frames[2][inner])


def test_the_repr_contains_the_settings():
    assert repr(DeepLandscape(7)) != repr(DeepLandscape(8))
    assert "DeepLandscape(7" in repr(DeepLandscape(7))
