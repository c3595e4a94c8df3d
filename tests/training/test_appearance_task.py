import copy

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.training.appearance_task import AppearanceTask
from stylecinegan.training.colors import GREATEST_STRETCH, transfer_colors


def make_task(**settings):
    torch.manual_seed(0)
    generator = Generator(256, 16, 1, channel_base=2048, channel_max=16, first_rgb_layer=10)
    encoder = FeatureStyleEncoder(14, 16, 16, (8, 16, 8, 8, 8), (1, 1, 1, 1), 16, 1)
    return AppearanceTask(generator, encoder, **{"num_warmup": 1, "num_steps": 1000, **settings})


@pytest.fixture(scope="module")
def batch():
    return {"image": torch.cat([draw_landscape(32, 32, seed).image for seed in range(4)])}


def test_one_batch_is_overfitted_in_its_own_and_in_other_colors(batch):
    task = make_task(synthetic_share=0.0)
    terms = [task.step(batch) for _ in range(150)]
    assert terms[-1]["own"] < 0.3 * terms[0]["own"]
    assert terms[-1]["changed"] < 0.4 * terms[0]["changed"]


def test_a_window_shows_the_same_part_of_feature_and_picture():
    task = make_task(window=5)
    image = torch.arange(64 * 64.0).view(1, 1, 64, 64)
    feature, part = task._cut(image[:, :, ::4, ::4], image)
    assert feature.shape[2:] == (5, 5)
    assert torch.equal(part[:, :, ::4, ::4], feature)


def test_samples_stay_what_they_were_before(batch):
    task = make_task(synthetic_share=0.5)
    terms = task.step(batch)
    assert terms["synthetic"] < 1e-6  # nothing has changed yet
    assert task.step(batch)["synthetic"] > 1e-6


def test_what_inversion_and_mask_rely_on_is_not_touched(batch):
    task = make_task()
    before = {name: tensor.clone() for name, tensor in task.networks.state_dict().items()}
    task.step(batch)
    changed = {
        name
        for name, tensor in task.networks.state_dict().items()
        if (tensor != before[name]).any()
    }
    assert changed
    for name in changed:
        network, kind, number, *_ = name.split(".")
        if network == "encoder":
            assert kind == "styles"
            assert int(number) >= FEATURE_LAYER - 1
        else:
            assert kind in ("convs", "to_rgbs")
            assert int(number) > FEATURE_LAYER or kind == "to_rgbs"


def test_a_resumed_run_takes_the_same_steps(batch):
    whole = make_task(synthetic_share=0.0)
    torch.manual_seed(1)
    whole.step(batch)
    resumed = make_task(synthetic_share=0.0)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    for task in (whole, resumed):
        torch.manual_seed(2)
        task.step(batch)
    for name, tensor in whole.networks.state_dict().items():
        assert torch.equal(tensor, resumed.networks.state_dict()[name]), name


def test_transferred_colors_have_the_other_pictures_mean_and_spread():
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, 64, 64, generator=generator) * 0.1 + 0.2
    other = torch.randn(1, 3, 32, 32, generator=generator) * 0.15 - 0.1
    moved = transfer_colors(image, other)
    assert_close(moved.mean(dim=(2, 3)), other.mean(dim=(2, 3)), atol=1e-5, rtol=0)
    # Independent channels of equal spread: every axis is stretched alike.
    np.testing.assert_allclose(moved.std(dim=(2, 3)), other.std(dim=(2, 3)), rtol=0.05)


def test_no_transfer_is_the_picture_itself_and_half_of_it_lies_between():
    image = draw_landscape(32, 48, 0).image * 0.3
    other = draw_landscape(32, 48, 1).image * 0.3
    assert_close(transfer_colors(image, other, 0.0), image, atol=1e-5, rtol=0)
    halfway = transfer_colors(image, other, 0.5)
    both = (image + transfer_colors(image, other)) / 2
    assert_close(halfway, both, atol=1e-5, rtol=0)


def test_a_flat_picture_is_stretched_no_further_than_twofold():
    image = torch.linspace(-0.01, 0.01, 32).expand(1, 3, 32, 32)
    other = torch.linspace(-0.9, 0.9, 32).expand(1, 3, 32, 32)
    moved = transfer_colors(image, other)
    assert_close(moved - moved.mean(), GREATEST_STRETCH * image, atol=1e-4, rtol=0)
